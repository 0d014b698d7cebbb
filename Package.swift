// swift-tools-version: 6.2
// rnn-dist: data-parallel training of recurrent networks on CPU clusters.
//
// The targets below are in the order of the drawing in docs/ARCHITECTURE.md; arrows point down only,
// and Tests/ArchitectureTests reads the import lines against that table.

import PackageDescription

let strictSwift: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let strictC: [CSetting] = [.treatAllWarnings(as: .error)]

// MARK: - What the system provides

let systemLibraries: [Target] = [
  .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
  .systemLibrary(
    name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
  .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
]

// MARK: - The library

let libraryTargets: [Target] = [
  .target(name: "CKernels", cSettings: strictC),
  .target(
    name: "NumericKernels", dependencies: ["CKernels", "COpenBLAS"], swiftSettings: strictSwift),
  .target(name: "Parameters", dependencies: ["NumericKernels"], swiftSettings: strictSwift),
  .target(
    name: "RecurrentNN", dependencies: ["Parameters", "NumericKernels"],
    swiftSettings: strictSwift),
  .target(
    name: "Optimizers", dependencies: ["NumericKernels", "CKernels"], swiftSettings: strictSwift),
  .target(name: "MPI", dependencies: ["COpenMPI"], swiftSettings: strictSwift),
  .target(name: "Communication", dependencies: ["MPI"], swiftSettings: strictSwift),
  .target(name: "Configuration", swiftSettings: strictSwift),
  .target(name: "Datasets", swiftSettings: strictSwift),
  .target(name: "Checkpoints", dependencies: ["CXXHash"], swiftSettings: strictSwift),
  .target(name: "RunLog", swiftSettings: strictSwift),
  .target(
    name: "Training",
    dependencies: [
      "RecurrentNN", "Optimizers", "Communication", "Configuration", "Datasets", "Checkpoints",
      "RunLog", .product(name: "Logging", package: "swift-log"),
    ],
    swiftSettings: strictSwift),
]

// MARK: - The program

let executableTargets: [Target] = [
  .executableTarget(
    name: "rnn-dist",
    dependencies: [
      "Training", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      .product(name: "Logging", package: "swift-log"), "Yams",
    ],
    swiftSettings: strictSwift)
]

let package = Package(
  name: "rnn-dist",
  products: [
    .library(name: "RecurrentNN", targets: ["RecurrentNN"]),
    .library(name: "MPI", targets: ["MPI"]),
    .executable(name: "rnn-dist", targets: ["rnn-dist"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: systemLibraries + libraryTargets + executableTargets,
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)
