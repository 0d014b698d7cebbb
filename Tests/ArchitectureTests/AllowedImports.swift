import Testing

/// One row of the drawing in docs/ARCHITECTURE.md: what a target may import.
struct TargetRule: Sendable, CustomTestStringConvertible {
  let name: String
  /// Targets of this package. All of them stand in rows above: the arrows of the drawing point down only.
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

/// The C library under its three names.
private let platform: Set<String> = ["Glibc", "Musl", "Darwin"]

/// The drawing as a table, lowest layer first.
let allowedImports: [TargetRule] = [
  TargetRule("COpenBLAS"),
  TargetRule("COpenMPI"),
  TargetRule("CXXHash"),
  TargetRule("CSentencePieceLibrary"),
  TargetRule("CKernels"),
  TargetRule("CSentencePiece"),
  TargetRule("NumericKernels", ["CKernels", "COpenBLAS"]),
  TargetRule("Options"),
  TargetRule("Parameters", ["NumericKernels"]),
  TargetRule("Optimizers", ["CKernels", "Options"], external: ["Foundation"]),
  TargetRule("Checkpoints", ["CXXHash"], external: platform.union(["Foundation"])),
  TargetRule("RecurrentNN", ["Parameters", "NumericKernels", "Options", "Optimizers", "Checkpoints"]),
  TargetRule("MPI", ["COpenMPI"], external: platform.union(["Synchronization"])),
  TargetRule("Communication", ["MPI"], external: platform.union(["Foundation", "Synchronization"])),
  TargetRule("Datasets", ["NumericKernels", "CSentencePiece", "Options"], external: ["Foundation"]),
  TargetRule("Metrics", external: platform),
  TargetRule(
    "Configuration", ["NumericKernels", "Options", "RecurrentNN", "Optimizers", "Datasets"],
    external: ["Foundation"]),
  TargetRule("RunLog", external: platform.union(["Foundation"])),
  TargetRule(
    "Tasks",
    [
      "NumericKernels", "Options", "Parameters", "RecurrentNN", "Optimizers", "Communication",
      "Configuration",
      "Datasets", "Metrics", "Checkpoints", "RunLog",
    ], external: ["Foundation"]),
  TargetRule(
    "Inference",
    [
      "NumericKernels", "Parameters", "RecurrentNN", "Communication", "Configuration", "Datasets",
      "Checkpoints", "RunLog", "Tasks",
    ]),
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
      "Configuration", "Datasets", "Metrics", "Checkpoints", "RunLog", "Tasks", "Inference", "Training",
      "Benchmarking",
    ], external: platform.union(["Foundation", "Synchronization", "Logging", "ArgumentParser", "Yams"])),
]
