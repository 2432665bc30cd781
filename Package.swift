// swift-tools-version: 6.1

import PackageDescription

let package = Package(
    name: "recast",
    products: [
        .library(name: "Recast", targets: ["Recast"]),
        .library(name: "RecastInference", targets: ["RecastInference"]),
        .executable(name: "recast", targets: ["RecastCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(name: "CKernels"),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "COniguruma", pkgConfig: "oniguruma", providers: [.apt(["libonig-dev"])]),
        .target(name: "RecastTensors", dependencies: ["CKernels", "COniguruma", "CZstd"]),
        .target(name: "Recast", dependencies: ["RecastTensors", "CKernels", "COniguruma", "CZstd"]),
        .target(name: "RecastInference", dependencies: ["Recast", "CKernels"]),
        .executableTarget(
            name: "RecastCommand",
            dependencies: [
                "Recast", "RecastInference",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "TestSupport", dependencies: ["Recast"], path: "Tests/TestSupport"),
        .testTarget(name: "RecastTests", dependencies: ["Recast", "RecastTensors", "CKernels", "TestSupport"]),
        .testTarget(name: "RecastInferenceTests", dependencies: ["RecastInference", "CKernels", "TestSupport"]),
        .testTarget(
            name: "RecastCommandTests", dependencies: ["RecastCommand", "Recast", "RecastInference", "TestSupport"]),
    ],
    swiftLanguageModes: [.v6]
)
