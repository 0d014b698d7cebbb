import Testing

/// Compares the import lines with the drawing in docs/ARCHITECTURE.md.
@Suite struct ImportTests {
  @Test func tableNamesEveryTarget() {
    #expect(SourceTree.targets() == Set(allowedImports.map(\.name)))
  }

  @Test func arrowsPointDown() {
    var below: Set<String> = []
    for rule in allowedImports {
      #expect(
        rule.targets.subtracting(below).isEmpty,
        "\(rule.name) may import a target that isn't above it in the table")
      below.insert(rule.name)
    }
  }

  @Test(arguments: allowedImports)
  func importsOnlyWhatTheTableAllows(rule: TargetRule) throws {
    for file in try SourceTree.files(of: rule.name) where file.isSwift {
      let others = Set(file.text.importedModules).subtracting(rule.targets).subtracting(rule.external)
      #expect(others.isEmpty, "\(file.path) imports \(others.sorted().joined(separator: ", "))")
    }
  }

  /// A row that allows more than its target imports no longer describes the program. Only rnn-dist may import everything.
  @Test(arguments: allowedImports.filter { !$0.targets.isEmpty && $0.name != "rnn-dist" })
  func everyAllowedTargetIsUsed(rule: TargetRule) throws {
    let used = Set(try SourceTree.files(of: rule.name).flatMap(\.text.importedModules))
    #expect(rule.targets.subtracting(used).sorted() == [])
  }

  /// Only one file of a target imports the library that it adapts.
  @Test(arguments: [
    ("Communication", "MPI"), ("Configuration", "Yams"), ("Checkpoints", "CXXHash"),
    ("Datasets", "CSentencePiece"), ("RecurrentNN", "Checkpoints"),
  ])
  func importedByOneFile(target: String, module: String) throws {
    let importing = try SourceTree.files(of: target).filter { $0.text.importedModules.contains(module) }
    #expect(importing.count == 1, "\(module) is imported by \(importing.map(\.path))")
  }

  /// C code includes only the standard library, its own headers and the library of its system module.
  @Test(
    arguments: [
      ("CKernels", ["pthread.h", "sched.h", "signal.h", "sys/mman.h", "unistd.h"]),
      ("COpenBLAS", ["cblas.h"]),
      ("CMPI", ["mpi.h"]),
      ("CXXHash", ["xxhash.h"]),
      ("CSentencePieceLibrary", ["sentencepiece_processor.h", "sentencepiece_trainer.h"]),
      ("CSentencePiece", ["sentencepiece_processor.h", "sentencepiece_trainer.h"]),
    ] as [(String, Set<String>)])
  func includes(target: String, libraries: Set<String>) throws {
    let standard: Set<String> = [
      "float.h", "immintrin.h", "math.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
      "stdlib.h", "string.h", "time.h",
      // of C++
      "cstdint", "cstdlib", "cstring", "exception", "memory", "string", "string_view", "unordered_map",
      "vector",
    ]
    let files = try SourceTree.files(of: target)
    let own = Set(files.map(\.name))
    var found: Set<String> = []
    for file in files {
      for line in file.content.split(separator: "\n") {
        guard let include = line.prefixMatch(of: #/\s*#\s*include\s*[<"]([^>"]+)[>"]/#) else { continue }
        found.insert(String(include.1))
      }
    }
    #expect(found.subtracting(standard).subtracting(own) == libraries)
  }
}
