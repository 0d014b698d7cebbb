import Testing

/// Code that must not occur in Sources, or only in some targets.
@Suite struct ForbiddenCodeTests {
  /// Words, the targets in which they are allowed, and the reason why they are forbidden elsewhere.
  struct Rule: Sendable, CustomTestStringConvertible {
    let words: [String]
    let exceptions: Set<String>
    let reason: String

    var testDescription: String { reason }

    init(_ words: String..., except exceptions: Set<String> = [], because reason: String) {
      self.words = words
      self.exceptions = exceptions
      self.reason = reason
    }
  }

  static let rules = [
    Rule("fatalError", because: "a failure is thrown, with its place and what to do"),
    Rule("try!", because: "an error is handled or passed on"),
    Rule("as!", because: "a cast that may fail is tested"),
    Rule(
      "print(", "debugPrint(", "dump(", "puts(", except: ["rnn-dist"],
      because: "only the program writes to standard output"),
    Rule(
      "exit(", "_exit(", except: ["rnn-dist", "Training", "MPI", "Communication"],
      because: "only the program, a second SIGINT and a communicator's abort end the process"),
    Rule(
      "Clock", "ContinuousClock", "SuspendingClock", "getenv", "Thread", "Task", "DispatchQueue",
      except: [
        "MPI", "Communication", "Configuration", "Datasets", "Checkpoints", "RunLog", "Diagnosis", "Training",
        "Benchmarking", "Serving", "rnn-dist",
      ],
      because: "layers and optimizers are mathematics: no clock, no environment, no thread"),
  ]

  @Test(arguments: rules)
  func isAbsent(rule: Rule) throws {
    for target in allowedImports.map(\.name) where !rule.exceptions.contains(target) {
      for file in try SourceTree.files(of: target) where file.isSwift {
        let lines = rule.words.flatMap(file.text.lines(with:)).sorted()
        #expect(lines.isEmpty, "\(file.path), lines \(lines): \(rule.reason)")
      }
    }
  }

  /// Every exception is an existing target.
  @Test(arguments: rules)
  func exceptionsAreTargets(rule: Rule) {
    #expect(rule.exceptions.subtracting(SourceTree.targets()) == [])
  }

  /// Every file holds one whole concept: a longer file holds several, and a shorter one only a part of one.
  @Test(arguments: SourceTree.foldersOfCode)
  func filesHoldOneConcept(folder: String) throws {
    let files = try SourceTree.code(under: folder)
    #expect(!files.isEmpty)
    // Generated code is not read.
    for file in files where !file.path.hasSuffix(".pb.swift") {
      #expect(file.lineCount <= 600, "\(file.path) has \(file.lineCount) lines: it holds several concepts")
      #expect(
        file.lineCount >= 40 || file.saysWhyItIsShort,
        "\(file.path) has \(file.lineCount) lines: merge it, or say why in a line `// Separate file: …` at the top"
      )
    }
  }

  /// A call with many values in a row can't be read, and values of one type are easily exchanged.
  @Test(arguments: SourceTree.foldersOfCode)
  func parametersHaveLabels(folder: String) throws {
    for file in try SourceTree.code(under: folder) where file.isSwift {
      let found = file.text.functions(withUnlabeledParametersOver: 6).map(\.line)
      #expect(found.isEmpty, "\(file.path), lines \(found): more than six parameters without a label")
    }
  }

  @Test(arguments: ["Sources", "Tests", "launch", "packaging", ".ci", "Benchmarks"])
  func nothingIsLeftForLater(folder: String) throws {
    let hasOnlyTexts = !["Sources", "Tests"].contains(folder)
    let files = try SourceTree.files(
      under: folder, endingIn: hasOnlyTexts ? [""] : [".swift", ".c", ".h", ".py", ".md", "run"])
    #expect(!files.isEmpty)
    for file in files where !file.path.contains("ArchitectureTests") {
      for mark in ["TODO", "FIXME", "XXX"] {
        #expect(!file.content.contains(mark), "\(file.path) holds \(mark)")
      }
    }
  }
}
