import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import Tasks

struct PrepareCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Cut the text of a language model into tokens once, so that training reads no text.",
    discussion: """
      Counts the vocabulary, or learns subwords, and writes a folder that data.train can name instead of the text: its tokens are mapped into \
      memory, so that a text of any size needs little memory, and training starts at once. The folder also holds a \
      configuration to train with.

      Example:
        rnn-dist prepare char-lm data.train=input.txt -o prepared/text
        cat input.txt | rnn-dist prepare char-lm data.train=/dev/stdin -o more
        rnn-dist train prepared/text/config.yaml --run-dir runs/prepared
      """)

  @OptionGroup var arguments: ConfigurationArguments
  @Option(
    name: [.short, .customLong("output")], help: ArgumentHelp("The folder to write.", valueName: "dir"))
  var output: String

  @Flag(help: "Replace a text that was prepared in the folder.") var overwrite = false

  func runLocally() throws -> Int32 {
    try checkOutput()
    var configuration = try arguments.resolve(requiringText: true).configuration
    if let path = configuration.data.train?.file, PreparedText.exists(at: path) {
      throw ValidationError("\(path) is a prepared text already")
    }
    try FileSystemOperations.standard.createDirectories(output)
    try removeLeftovers()
    let tokens = try cut(configuration)
    configuration.data.train = DataPath(file: output)
    // The folder has these parts too.
    (configuration.data.valid, configuration.data.test) = (nil, nil)
    if tokens[1] > 0, configuration.data.validFraction == 0 {
      // A fraction of 0 would say that there is no validation part.
      configuration.data.validFraction = DataOptions().validFraction
    }
    configuration = configuration.withAbsolutePaths(in: FileManager.default.currentDirectoryPath)
    let yaml = configuration.yaml(commented: true)
    try DurableFile.write(Data(yaml.utf8), to: "\(output)/config.yaml")
    let parts = zip(["training", "validation", "test"], tokens).filter { $1 > 0 }
    let sizes = parts.map { "\(Console.grouped($1)) \($0) tokens" }.joined(separator: ", ")
    try StandardOutput.line("\(output): \(sizes)")
    return ExitCode.done
  }

  /// Throws ``OutputExists`` for a folder with other files, such as a run, whose configuration would be overwritten.
  private func checkOutput() throws {
    let files = FileManager.default
    guard files.fileExists(atPath: output) else { return }
    let found = (try? files.contentsOfDirectory(atPath: output)) ?? [output]
    let names = found.filter { !isLeftover($0) }
    let own: Set = ["prepared.json", "tokens.bin", "vocab.txt", "vocab.model", "config.yaml", "shape.json"]
    guard names.isEmpty || overwrite && names.allSatisfy(own.contains) && PreparedText.exists(at: output)
    else {
      throw OutputExists(path: output, isPrepared: PreparedText.exists(at: output))
    }
  }

  /// Removes the files of an earlier `prepare` that was interrupted.
  private func removeLeftovers() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: output) where isLeftover(name) {
      try FileSystemOperations.standard.remove("\(output)/\(name)")
    }
  }

  /// Whether a file of the folder is a temporary one, whose writer is dead, or a copy of standard input.
  private func isLeftover(_ name: String) -> Bool { name == Self.copyName || DurableFile.isLeftover(name) }

  /// The numbers of tokens of the parts. Standard input is copied to a file first, because a text is read in several passes.
  private func cut(_ configuration: RunConfiguration) throws -> [Int] {
    guard configuration.data.train?.file == Self.standardInput else {
      return try TokenStream.prepare(configuration, in: output)
    }
    var configuration = configuration
    let copy = "\(output)/\(Self.copyName)"
    configuration.data.train = DataPath(file: copy)
    defer { unlink(copy) }
    try TextSource.copyStandardInput(to: copy)
    return try TokenStream.prepare(configuration, in: output)
  }

  private static let standardInput = "/dev/stdin"
  /// The copy of standard input in the folder, for as long as it is read.
  private static let copyName = "standard-input"
}

/// The folder to write has files already.
struct OutputExists: Error, CustomStringConvertible, ExitCoded {
  let path: String
  let isPrepared: Bool

  var exitCode: Int32 { Tasks.ExitCode.cannotCreate }

  var description: String {
    "\(path) exists already and is not an empty folder: choose another"
      + (isPrepared ? ", or replace the prepared text with --overwrite" : "")
  }
}
