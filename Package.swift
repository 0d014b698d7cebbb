// swift-tools-version: 6.2
// rnn-dist: data-parallel training of recurrent networks on CPU clusters.
//
// The targets below are in the order of the drawing in docs/ARCHITECTURE.md; arrows point down only,
// and Tests/ArchitectureTests reads the import lines against that table.

import PackageDescription

let strictSwift: [SwiftSetting] = [.treatAllWarnings(as: .error)]
let strictC: [CSetting] = [.treatAllWarnings(as: .error)]
let strictCXX: [CXXSetting] = [.treatAllWarnings(as: .error)]

// MARK: - What the system provides

/// Whether to build for MPICH, whose handles are integers, instead of Open MPI. launch/mpi-environment sets the variable.
let isMPICH = Context.environment["RNN_DIST_MPI_FAMILY"] == "mpich"

let systemLibraries: [Target] = [
  .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
  isMPICH
    ? .systemLibrary(name: "CMPI", pkgConfig: "mpich", providers: [.apt(["libmpich-dev", "mpich"])])
    : .systemLibrary(
      name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
  .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
  .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
  .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
  .systemLibrary(
    name: "CSentencePieceLibrary", pkgConfig: "sentencepiece",
    providers: [.apt(["libsentencepiece-dev"])]),
]

// MARK: - The library

/// The commit that is built, as launch/build has found it.
let commit = Context.environment["RNN_DIST_COMMIT"] ?? "unknown"

let libraryTargets: [Target] = [
  // The mathematics library is asked for here: a program that uses the libraries may not import Foundation, which brings it.
  .target(name: "CKernels", cSettings: strictC, linkerSettings: [.linkedLibrary("m")]),
  // Alone in a target, because it is compiled again for every commit.
  .target(name: "CBuild", cSettings: strictC + [.define("RND_COMMIT", to: "\"\(commit)\"")]),
  // C++ ends here: its header is C, and no exception leaves it.
  .target(
    name: "CSentencePiece", dependencies: ["CSentencePieceLibrary"], cxxSettings: strictCXX),
  .target(
    name: "NumericKernels", dependencies: ["CKernels", "COpenBLAS"], swiftSettings: strictSwift),
  .target(name: "Options", swiftSettings: strictSwift),
  .target(name: "Parameters", dependencies: ["NumericKernels"], swiftSettings: strictSwift),
  .target(
    name: "Optimizers", dependencies: ["NumericKernels", "CKernels", "Options"], swiftSettings: strictSwift),
  .target(name: "Checkpoints", dependencies: ["CXXHash"], swiftSettings: strictSwift),
  .target(
    name: "RecurrentNN",
    dependencies: [
      "Parameters", "NumericKernels", "CKernels", "Options", "Optimizers", "Checkpoints",
    ],
    swiftSettings: strictSwift),
  .target(
    name: "MPI", dependencies: ["CMPI"],
    swiftSettings: strictSwift + (isMPICH ? [.define("MPICH")] : [])),
  .target(name: "Communication", dependencies: ["MPI"], swiftSettings: strictSwift),
  .target(
    name: "Diagnosis", dependencies: ["Checkpoints", "Communication"], swiftSettings: strictSwift),
  .target(name: "UnicodeText", swiftSettings: strictSwift),
  .target(name: "Metrics", dependencies: ["UnicodeText"], swiftSettings: strictSwift),
  .target(
    name: "Datasets",
    dependencies: [
      "NumericKernels", "Options", "Checkpoints", "CSentencePiece", "CZlib", "CZstd", "UnicodeText",
    ],
    swiftSettings: strictSwift),
  .target(
    name: "RunLog",
    dependencies: ["Checkpoints", "CZlib", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
    exclude: ["TensorBoard/event.proto", "TensorBoard/hparams.proto"], swiftSettings: strictSwift),
  .target(
    name: "Tasks",
    dependencies: [
      "RecurrentNN", "Parameters", "NumericKernels", "Options", "Optimizers", "Communication",
      "Datasets", "Metrics", "Checkpoints", "RunLog", "UnicodeText",
    ],
    swiftSettings: strictSwift),
  .target(
    name: "Configuration",
    dependencies: ["Tasks", "Options", "RecurrentNN", "Datasets", "Communication", "Yams"],
    resources: [.embedInCode("Presets")], swiftSettings: strictSwift),
  .target(
    name: "Inference",
    dependencies: [
      "Tasks", "RecurrentNN", "Parameters", "NumericKernels", "Communication", "Configuration", "Datasets",
      "Metrics", "Checkpoints", "RunLog",
    ],
    swiftSettings: strictSwift),
  .target(
    name: "Exporting",
    dependencies: [
      "Inference", "Tasks", "RecurrentNN", "Parameters", "Communication", "Configuration", "Datasets",
      "Checkpoints", "RunLog", "CZlib",
      .product(name: "SwiftProtobuf", package: "swift-protobuf"),
    ],
    exclude: ["ONNX/onnx.proto"], swiftSettings: strictSwift),
  .target(
    name: "Reporting", dependencies: ["Checkpoints", "Configuration", "Metrics", "RunLog", "Tasks"],
    resources: [.embedInCode("Page")], swiftSettings: strictSwift),
  .target(
    name: "Serving",
    dependencies: [
      "Inference", "Tasks", "RecurrentNN", "Communication", "Configuration", "Datasets", "RunLog",
    ],
    resources: [.embedInCode("Page")], swiftSettings: strictSwift),
  .target(
    name: "Training",
    dependencies: [
      "Tasks", "RecurrentNN", "Parameters", "NumericKernels", "Optimizers", "Communication",
      "Configuration", "Checkpoints", "RunLog",
    ],
    swiftSettings: strictSwift),
  .target(
    name: "Benchmarking",
    dependencies: [
      "Training", "Tasks", "RecurrentNN", "Parameters", "NumericKernels", "Optimizers", "Communication",
    ],
    swiftSettings: strictSwift),
]

// MARK: - The program

let executableTargets: [Target] = [
  .executableTarget(
    name: "rnn-dist",
    dependencies: [
      "Training", "Inference", "Exporting", "Serving", "Reporting", "Benchmarking", "Tasks", "RecurrentNN",
      "Parameters", "NumericKernels", "Optimizers", "Communication", "Configuration", "Datasets",
      "Diagnosis", "Metrics", "Checkpoints", "RunLog", "CBuild",
      .product(name: "ArgumentParser", package: "swift-argument-parser"),
    ],
    swiftSettings: strictSwift)
]

// MARK: - Tests

let testTargets: [Target] = [
  // Started under mpirun by MPITests; its communicator suite also runs in process.
  .executableTarget(
    name: "MPIConformance", dependencies: ["MPI", "Communication"], path: "Tests/MPIConformance",
    swiftSettings: strictSwift),
  // What the tests of several targets need.
  .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strictSwift),
  // The ranks of a job as threads of one process.
  .target(
    name: "InProcessRanks", dependencies: ["Communication"], path: "Tests/InProcessRanks",
    swiftSettings: strictSwift),
  // Every reader of a file, for tests with changed files and for libFuzzer.
  .target(
    name: "FuzzedReaders",
    dependencies: [
      "Checkpoints", "Communication", "Configuration", "Datasets", "Exporting", "Inference", "Reporting",
      "RecurrentNN", "RunLog", "Serving", "Tasks", "Training",
    ], path: "Tests/Fuzzing/Readers", swiftSettings: strictSwift),
  test("Architecture", of: []),
  test("NumericKernels", of: ["NumericKernels", "CKernels", "Checkpoints"]),
  test("Parameters", of: ["Parameters", "NumericKernels"]),
  test(
    "RecurrentNN",
    of: ["RecurrentNN", "Parameters", "NumericKernels", "Options", "Optimizers", "Checkpoints"]),
  test("Optimizers", of: ["Optimizers", "NumericKernels"]),
  test("MPI", of: ["MPI", "MPIConformance", "TestSupport"]),
  test("Communication", of: ["Communication", "InProcessRanks", "MPIConformance"]),
  test("Configuration", of: ["Configuration", "Tasks", "Datasets"]),
  test("Datasets", of: ["Datasets", "Checkpoints", "CZlib", "CZstd", "TestSupport"]),
  test("UnicodeText", of: ["UnicodeText"]),
  test("Metrics", of: ["Metrics", "UnicodeText"]),
  test("Checkpoints", of: ["Checkpoints", "TestSupport"]),
  test("RunLog", of: ["RunLog", "Checkpoints", "TestSupport"]),
  test("Diagnosis", of: ["Diagnosis", "TestSupport"]),
  test(
    "Training",
    of: [
      "Training", "Inference", "Benchmarking", "Tasks", "RecurrentNN", "Parameters", "NumericKernels",
      "Optimizers", "Communication", "Configuration", "Datasets", "Metrics", "Checkpoints",
      "InProcessRanks", "RunLog", "TestSupport",
    ]),
  test(
    "Command",
    of: [
      "rnn-dist", "NumericKernels", "Communication", "Configuration", "Datasets", "Checkpoints",
      "FuzzedReaders", "InProcessRanks", "RecurrentNN", "RunLog", "Tasks", "TestSupport", "Training",
    ]),
  test(
    "Exporting",
    of: [
      "Exporting", "rnn-dist", "Inference", "Tasks", "RecurrentNN", "Parameters", "NumericKernels",
      "Configuration", "Datasets", "Checkpoints", "RunLog", "TestSupport",
      .product(name: "SwiftProtobuf", package: "swift-protobuf"),
    ]),
  test("Reporting", of: ["Reporting", "Checkpoints", "Configuration", "RunLog", "Tasks", "TestSupport"]),
  test(
    "Serving",
    of: ["Serving", "Inference", "Tasks", "Communication", "Configuration", "RunLog", "Training"]),
]

func test(_ name: String, of dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name + "Tests", dependencies: dependencies, swiftSettings: strictSwift)
}

/// The readers with libFuzzer, which .ci/fuzz builds. The variable is the path of libFuzzer without its own `main`.
let fuzzing: [Target] =
  Context.environment["RNN_DIST_FUZZER"].map { library in
    [
      .executableTarget(
        name: "fuzz-readers", dependencies: ["FuzzedReaders"], path: "Tests/Fuzzing/Driver",
        swiftSettings: strictSwift, linkerSettings: [.unsafeFlags([library]), .linkedLibrary("stdc++")])
    ]
  } ?? []

let package = Package(
  name: "rnn-dist",
  products: [
    // Cells, layers and models with what trains and saves them: `import RecurrentNN` is enough.
    .library(name: "RecurrentNN", targets: ["RecurrentNN"]),
    // Reading text and numbers, vocabularies and batches; metrics of outputs; safetensors and durable files.
    .library(name: "Datasets", targets: ["Datasets"]),
    .library(name: "Metrics", targets: ["Metrics"]),
    .library(name: "Checkpoints", targets: ["Checkpoints"]),
    // Sums over the processes of a job, for data-parallel training.
    .library(name: "Communication", targets: ["Communication"]),
    // A wrapper of MPI that knows nothing of networks.
    .library(name: "MPI", targets: ["MPI"]),
    .executable(name: "rnn-dist", targets: ["rnn-dist"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
  ],
  targets: systemLibraries + libraryTargets + executableTargets + testTargets + fuzzing,
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11,
  cxxLanguageStandard: .cxx17
)
