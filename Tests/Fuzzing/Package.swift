// swift-tools-version: 6.1

import PackageDescription

/// A target for each reader, in Sources/Fuzz….
let targets = [
    "Archive", "Configuration", "Distributed", "GGUF", "Importance", "Index", "JSON", "Journal", "Pickle",
    "Predictions", "QuantizedModules", "Safetensors", "SentencePiece", "Template", "Tiktoken", "TokenizerJSON", "Torch",
]

// A package of its own, as libFuzzer brings a `main` and needs flags that no package may pass on to others.
let package = Package(
    name: "fuzzing",
    dependencies: [.package(name: "recast", path: "../..")],
    targets: [
        .target(
            name: "FuzzSupport",
            dependencies: [
                .product(name: "Recast", package: "recast"), .product(name: "RecastInference", package: "recast"),
            ])
    ]
        + targets.map { .executableTarget(name: "Fuzz" + $0, dependencies: ["FuzzSupport"]) },
    swiftLanguageModes: [.v6]
)
