import ArgumentParser
import Exporting
import Tasks

struct ImportCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a run of weights from another program.",
    discussion: """
      The file holds the weights of nn.Embedding, nn.RNN, nn.GRU or nn.LSTM, and nn.Linear under the names of the model \
      (embedding.weight, rnn.weight_ih_l0, output.weight ...); --rename maps other names. Options that change the result but \
      not the shapes (forget_bias, gru_reset) are refused unless the metadata of the file name them.

      Example:
        rnn-dist import shakespeare/model.safetensors --run-dir runs/again \\
          --config runs/shakespeare/config.yaml --vocabularies shakespeare
      """)

  @Argument(help: ArgumentHelp("The weights.", valueName: "file.safetensors")) var file: String
  @Option(help: ArgumentHelp("A YAML file or the name of a preset.", valueName: "config")) var config: String
  @Argument(help: ArgumentHelp("Overrides of keys.", valueName: "key.path=value")) var overrides: [String] =
    []
  @Option(help: ArgumentHelp("Directory of the new run.", valueName: "dir")) var runDir: String
  @Option(
    help: ArgumentHelp(
      "Directory with the vocabulary files of a run or an export; without it they are counted in the training data.",
      valueName: "dir"))
  var vocabularies: String?
  @Option(
    name: .customLong("rename"),
    help: ArgumentHelp(
      "Replace a prefix of the names in the file. Can be repeated.", valueName: "old=new"))
  var renamings: [String] = []

  func runLocally() throws -> Int32 {
    let renaming = try renamings.map { text in
      guard let renaming = ImportedWeights.Renaming(text) else {
        throw ValidationError("--rename \(text): expects OLD=NEW, for example --rename lstm=rnn")
      }
      return renaming
    }
    var arguments = ConfigurationArguments()
    arguments.words = [config] + overrides
    let configuration = try arguments.resolve(requiringText: vocabularies == nil).configuration
    let weights = try ImportedWeights(path: file, renaming: renaming)
    let run = try ImportedRun(weights, configuration, vocabularies: vocabularies)
    try run.write(to: runDir, versions: ProgramVersion.all, commandLine: CommandLine.arguments)
    for note in run.notes { Console.error("note: \(note)") }
    try StandardOutput.line("wrote \(runDir): \(Console.grouped(run.count)) parameters")
    return ExitCode.done
  }
}
