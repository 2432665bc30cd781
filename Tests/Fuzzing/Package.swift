// swift-tools-version: 6.1

import PackageDescription

// A package of its own, as libFuzzer brings a `main` and needs flags that no package may pass on to others.
let package = Package(
    name: "fuzzing",
    dependencies: [.package(name: "recast", path: "../..")],
    targets: [
        .executableTarget(name: "FuzzTorch", dependencies: [.product(name: "Recast", package: "recast")])
    ],
    swiftLanguageModes: [.v6]
)
