import Testing

/// One row of the drawing in docs/ARCHITECTURE.md: the modules that a target may import.
struct TargetRule: Sendable, CustomTestStringConvertible {
  let name: String
  /// Targets of this package, all from rows above, because the arrows of the drawing only point down.
  let targets: Set<String>
  /// Modules of the toolchain and of other packages.
  let external: Set<String>

  var testDescription: String { name }

  init(_ name: String, _ targets: Set<String> = [], external: Set<String> = []) {
    self.name = name
    self.targets = targets
    self.external = external
  }
}

/// The three names of the C library.
private let platform: Set<String> = ["Glibc", "Musl", "Darwin"]

/// The drawing as a table, from the lowest layer to the highest.
let allowedImports: [TargetRule] = [
  TargetRule("COpenBLAS"),
  TargetRule("CMPI"),
  TargetRule("CXXHash"),
  TargetRule("CZlib"),
  TargetRule("CZstd"),
  TargetRule("CSentencePieceLibrary"),
  TargetRule("CKernels"),
  TargetRule("CBuild"),
  TargetRule("CSentencePiece"),
  TargetRule("NumericKernels", ["CKernels", "COpenBLAS"]),
  TargetRule("Options"),
  TargetRule("Parameters", ["NumericKernels"]),
  TargetRule("Optimizers", ["NumericKernels", "CKernels", "Options"], external: ["Foundation"]),
  TargetRule("Checkpoints", ["CXXHash"], external: platform.union(["Foundation"])),
  TargetRule(
    "RecurrentNN", ["Parameters", "NumericKernels", "CKernels", "Options", "Optimizers", "Checkpoints"]),
  TargetRule("MPI", ["CMPI"], external: platform.union(["Synchronization"])),
  TargetRule("Communication", ["MPI"], external: platform.union(["Foundation", "Synchronization"])),
  TargetRule("UnicodeText"),
  TargetRule("Metrics", ["UnicodeText"], external: platform),
  TargetRule(
    "Datasets",
    ["NumericKernels", "Checkpoints", "CSentencePiece", "CZlib", "CZstd", "UnicodeText", "Options"],
    external: ["Foundation", "Synchronization"]),
  TargetRule(
    "RunLog", ["Checkpoints", "CZlib"],
    external: platform.union(["Foundation", "FoundationEssentials", "SwiftProtobuf"])),
  TargetRule("Diagnosis", ["Checkpoints", "Communication"], external: platform.union(["Foundation"])),
  TargetRule(
    "Tasks",
    [
      "NumericKernels", "Options", "Parameters", "Optimizers", "RecurrentNN", "Communication",
      "Datasets", "Metrics", "Checkpoints", "RunLog", "UnicodeText",
    ], external: ["Foundation"]),
  TargetRule(
    "Configuration",
    ["Options", "RecurrentNN", "Datasets", "Communication", "Tasks"],
    external: ["Foundation", "Yams"]),
  TargetRule(
    "Inference",
    [
      "NumericKernels", "Parameters", "RecurrentNN", "Communication", "Configuration", "Datasets",
      "Metrics", "Checkpoints", "RunLog", "Tasks",
    ], external: ["Foundation"]),
  TargetRule(
    "Exporting",
    [
      "Parameters", "RecurrentNN", "Communication", "Configuration", "Datasets", "Checkpoints", "RunLog",
      "Tasks", "Inference", "CZlib",
    ], external: ["Foundation", "FoundationEssentials", "SwiftProtobuf"]),
  TargetRule(
    "Reporting", ["Checkpoints", "Configuration", "Metrics", "RunLog", "Tasks"], external: ["Foundation"]),
  TargetRule(
    "Serving",
    ["RecurrentNN", "Communication", "Configuration", "Datasets", "RunLog", "Tasks", "Inference"],
    external: platform.union(["Foundation", "Synchronization", "Dispatch"])),
  TargetRule(
    "Training",
    [
      "NumericKernels", "Parameters", "RecurrentNN", "Optimizers", "Communication", "Configuration",
      "Checkpoints", "RunLog", "Tasks",
    ], external: platform.union(["Foundation", "Synchronization", "Logging"])),
  TargetRule(
    "Benchmarking",
    [
      "NumericKernels", "Parameters", "RecurrentNN", "Optimizers", "Communication", "Tasks", "Training",
    ], external: ["Foundation"]),
  TargetRule(
    "rnn-dist",
    [
      "NumericKernels", "Options", "Parameters", "RecurrentNN", "Optimizers", "Communication",
      "Configuration", "Datasets", "Diagnosis", "Metrics", "Checkpoints", "RunLog", "Tasks", "Inference",
      "Exporting", "Serving", "Reporting", "Training", "Benchmarking", "CBuild",
    ], external: platform.union(["Foundation", "Synchronization", "Logging", "ArgumentParser"])),
]
