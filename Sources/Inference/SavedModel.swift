import Checkpoints
import Communication
import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog
import Tasks

/// The model of a finished (or running) run of any task: its weights, its vocabularies and its settings, ready to score
/// data, to predict outputs for lines and to write texts.
public final class SavedModel {
  public let configuration: RunConfiguration
  /// The vocabularies, and all other facts that determine how data become numbers.
  public let encoding: DataEncoding
  package let learner: any Learner
  /// The number of updates at the time of the checkpoint.
  public let step: Int
  /// The directory of the checkpoint.
  public let checkpointPath: String
  /// Newer checkpoints that were skipped because they failed verification.
  public let rejected: [RejectedCheckpoint]
  /// The steps of the checkpoints whose weights were averaged, in ascending order; empty for the weights of a single
  /// checkpoint.
  public let averagedSteps: [Int]
  fileprivate let workspace: Workspace<Float>

  /// Loads a model from a run directory.
  ///
  /// - Parameters:
  ///   - run: the run directory.
  ///   - configuration: the content of its `config.yaml`.
  /// - Throws: the errors of Checkpoints and Datasets, or ``TrainingFailure`` if the weights do not match the settings.
  public init(run: RunPaths, configuration: RunConfiguration, choice: CheckpointChoice = .best) throws {
    self.configuration = configuration
    workspace = Workspace(
      precision: configuration.training.precision, hasOneOrder: configuration.training.reproducible)
    // This comes first, because it shows whether there is a model to load.
    let weights = try SavedWeights(of: run, choice)
    (step, checkpointPath, rejected) = (weights.step, weights.path, weights.rejected)
    averagedSteps = weights.averagedSteps
    func load<L: Learner>(_ type: L.Type) throws -> (DataEncoding, any Learner) {
      let encoding = try L.Data.encoding(of: run, configuration)
      return (encoding, try L(configuration, encoding, .saved(weights)))
    }
    (encoding, learner) = try load(configuration.task.learner)
    // This comes after the check of the shapes, which has a more specific message.
    try weights.requireFunction(of: configuration)
  }

  public var parameters: ParameterBuffer<Float> { learner.parameters }
  public var abilities: ModelAbilities { learner.abilities }
  /// The sizes and options of the model; nil if models of this task can't be exported.
  package var shape: ModelShape? { learner.shape }

  /// The vocabularies that a run has saved. Throws `DataError`.
  public static func encoding(of run: RunPaths, _ configuration: RunConfiguration) throws -> DataEncoding {
    try configuration.task.learner.encoding(of: run, configuration)
  }

  /// A hash of the step and the weights, including those of all members of an ensemble.
  public var digest: UInt64 {
    let weights = learner.allParameters.map { Digest.digest64(of: UnsafeRawBufferPointer($0.elements)) }
    return ([UInt64(step)] + weights).withUnsafeBytes { Digest.digest64(of: $0) }
  }

  /// Adds another model to the ensemble of this one. Everything that is scored or written afterwards uses both.
  ///
  /// Throws ``TrainingFailure/unusableRun(path:problem:)`` if one of them does not write from a source, or if their
  /// vocabularies, vector widths, numbers of sources or directions differ.
  public func join(_ other: SavedModel, path: String) throws {
    let parameters = ParameterSource { _, _ in other.parameters }
    try learner.join(other.configuration, other.encoding, parameters, path: path)
  }

  /// A description of the data format, such as `the tsv data of a seq2seq`. Models with the same description can be
  /// scored on the same file.
  public var dataForm: String {
    let parts = configuration.data.train?.parts.keys.map(\.rawValue).sorted() ?? []
    let second = encoding.hasSecondSource == true ? " with second sources" : ""
    let width = encoding.sourceWidth.map { ", vectors of \($0)" } ?? ""
    return "the \(configuration.data.format.rawValue) data of a \(configuration.task.name)"
      + (configuration.model.output == .softmax ? "" : " with output \(configuration.model.output.rawValue)")
      + (parts.isEmpty ? "" : " in files \(parts.joined(separator: ", "))") + second + width
  }

  // MARK: Scoring

  /// A configured split of the data; nil if the run does not have it. Throws `DataError`.
  ///
  /// - Parameter other: the model whose configuration names the data. They are read with the vocabularies of this
  ///   model. nil: this model.
  public func data(_ split: DataSplit, of other: SavedModel? = nil) throws -> HeldOutData? {
    func read<L: Learner>(_ learner: L) throws -> HeldOutData? {
      let part = try L.Data.read(split, of: (other ?? self).configuration, encoding)
      return part.map { HeldOutData($0, of: self, learner) }
    }
    return try read(learner)
  }

  /// Reads a file of the user. Throws `DataError`.
  public func data(file path: String) throws -> HeldOutData {
    func read<L: Learner>(_ learner: L) throws -> HeldOutData {
      HeldOutData(try L.Data.read(file: path, of: configuration, encoding), of: self, learner)
    }
    return try read(learner)
  }

  /// Scores data on all ranks together, including outputs. Each example or token is scored once (collective).
  ///
  /// - Parameter includes: selects examples; nil: all of them.
  /// - Throws: ``TrainingFailure/nothingToPredict(_:)`` if every target is missing from the training data.
  public func score(
    _ data: HeldOutData, communicator: any Communicator,
    including includes: ((_ example: Int32) -> Bool)? = nil, progress: EvaluationProgress? = nil
  ) throws -> EvaluationResult {
    let plan = try ShardPlan(rank: communicator.rank, worldSize: communicator.worldSize, reproducible: false)
    let pass = try data.pass(plan, includes ?? { _ in true })
    let sums = try EvaluationSums.of(pass, plan: plan, communicator: communicator, progress: progress)
    guard sums.loss.tokens > 0 || includes != nil else { throw TrainingFailure.nothingToPredict(data.name) }
    return learner.result(of: sums)
  }

  // MARK: Scoring given outputs

  /// Reads examples with targets to score, in the format of the training data. For a run that was trained on parallel
  /// files, one file contains their columns: tsv, or columns for a tagger. Throws `DataError`.
  public func examples(toScore source: TextSource) throws -> ExampleSet {
    var options = ExampleSet.options(configuration)
    if options.format == .lines, options.kind != .generated {
      options.format = options.kind == .tagged ? .columns : .tsv
    }
    return try ExampleCorpus.read(.file(source), options: options, encoding: encoding)
  }

  /// Returns the log-probability of the target of each example. Throws ``TrainingFailure/unfittingData(_:)`` if the
  /// data do not fit the model.
  public func scores(of examples: [Int32], in set: ExampleSet) throws -> [TargetScore] {
    workspace.arena.reset()
    return try learner.scores(of: examples, in: set, workspace)
  }

  /// Returns the log-probability of each line of text under a language model. A line starts after the end of another
  /// line, and its own end is included if the vocabulary has an end token. Throws `DataError` for bytes that are not
  /// text.
  public func scores(ofLines lines: [[UInt8]], firstNumber: Int) throws -> [TargetScore] {
    guard let vocabulary = encoding.stream else {
      throw TrainingFailure.unfittingData("this model scores examples, not texts")
    }
    let hasLineEnd = vocabulary.endOfSentence != nil || vocabulary.id(of: "\n") != nil
    let texts = try lines.enumerated().map { index, line in
      try vocabulary.encode(
        stream: line + (hasLineEnd ? [0x0A] : []), name: "standard input, line \(firstNumber + index)")
    }
    workspace.arena.reset()
    return try learner.scores(ofTexts: texts, workspace)
  }

  // MARK: Answering lines

  /// The examples of a configured split; nil if the run does not have it. Throws `DataError`.
  public func examples(_ split: DataSplit) throws -> ExampleSet? {
    try ExampleSet.read(split, of: configuration, encoding)
  }

  /// Returns the outputs for some examples.
  public func predict(
    _ examples: [Int32], of set: ExampleSet, _ options: PredictionOptions = PredictionOptions()
  ) throws -> [Prediction] {
    workspace.arena.reset()
    return try learner.predict(examples, of: set, options, workspace)
  }

  /// Returns the outputs for the first validation examples that differ in their sources. The result is empty if the
  /// sources are not texts.
  package func heldOutExamples(_ count: Int, keepsAttention: Bool) throws -> [HeldOutExample] {
    guard let split = try examples(.valid) else { return [] }
    workspace.arena.reset()
    return try learner.heldOutExamples(
      count, of: split, encoding, configuration, keepsAttention: keepsAttention, workspace)
  }

  /// Returns an object that turns lines into outputs.
  public func predictor(_ options: PredictionOptions = PredictionOptions()) throws -> Predictor {
    try Predictor(self, options)
  }

  /// Returns an empty batch of input lines in the format of this model.
  fileprivate func inputs() throws -> PredictionInputs {
    try PredictionInputs(
      options: ExampleSet.options(configuration), encoding: encoding,
      like: ExampleSet.trainingSource(configuration))
  }

  // MARK: Writing

  /// A request for texts from a model that writes without source lines.
  public struct WritingRequest: Sendable {
    /// The tokens that the text continues, for language models.
    public var prompt: [Int32] = []
    /// The name of a class, or the path of an .npy file, for generators.
    public var condition: String?
    public var count = 1
    /// The maximum number of tokens; nil: decoding.max_length.
    public var maximumLength: Int?
    public var sampling: TextSampling

    public init(_ sampling: TextSampling) { self.sampling = sampling }
  }

  /// Samples texts in parallel.
  ///
  /// - Parameter emit: receives every token as soon as it is sampled, as the number of the text and the id. It returns
  ///   false to stop.
  /// - Throws: `DataError` for a class that is not in the training data or a file without a vector of the right width;
  ///   ``TrainingFailure/unfittingData(_:)`` if the model does not write without source lines, or an input is missing
  ///   or superfluous.
  public func write(_ request: WritingRequest, emit: (_ text: Int, _ id: Int32) -> Bool) throws {
    try writer(of: request).write(count: request.count, request.sampling, emit: emit)
  }

  /// Returns a sampler at the beginning of the requested texts. The caller continues them step by step, together with
  /// those of other requests if the model supports that. Throws the errors of ``write(_:emit:)``.
  package func sampler(of request: WritingRequest) throws -> SequenceSampler<Float> {
    try writer(of: request).sampler(count: request.count, request.sampling)
  }

  private func writer(of request: WritingRequest) throws -> TextWriter {
    workspace.arena.reset()
    let beginning = TextBeginning(
      prompt: request.prompt, condition: try request.condition.map(condition),
      maximumLength: request.maximumLength)
    return try learner.writer(of: beginning, workspace)
  }

  /// Returns the texts as bytes, without the prompt but with the space that may separate them from it.
  public func texts(_ request: WritingRequest) throws -> [[UInt8]] {
    var texts = [[Int32]](repeating: [], count: request.count)
    try write(request) { text, id in
      texts[text].append(id)
      return true
    }
    let prompt = encoding.decode(request.prompt)
    return texts.map { Array(encoding.decode(request.prompt + $0).dropFirst(prompt.count)) }
  }

  private func condition(_ input: String) throws -> ExampleSet {
    guard learner.abilities.writesAfter == .condition else {
      throw TrainingFailure.unfittingData("this generator was trained without a condition")
    }
    var inputs = try inputs()
    do {
      try inputs.append(Array(input.utf8), name: input, line: 1)
    } catch DataError.line(_, _, .array(let path, .missing)) {
      throw DataError.missing(path: path)
    } catch DataError.line(_, _, .array(let path, let problem)) {
      throw DataError.input(name: path, reason: "\(problem)")
    } catch DataError.line(let name, _, let problem) {
      // There is only one line, and it does not come from a file.
      throw DataError.input(name: name, reason: "\(problem)")
    }
    return inputs.take()
  }
}

/// Held-out data that were read for one model.
public struct HeldOutData {
  /// The name of the file, for messages.
  public let name: String
  /// A hash that is the same on every rank.
  public let digest: UInt64
  public let exampleCount: Int
  /// Warnings about the data that were read.
  public let warnings: [String]
  /// The number of source steps of each example.
  public let sourceLengths: [Int]
  /// The size of the predicted part of a text; nil for examples.
  public let textSize: Vocabulary.TextSize?
  private let countUnknownTokens: () -> [UnknownTokens]
  fileprivate let pass:
    (_ plan: ShardPlan, _ includes: @escaping (_ example: Int32) -> Bool) throws -> any EvaluationPass

  fileprivate init<L: Learner>(_ data: L.Data, of model: SavedModel, _ learner: L) {
    (name, digest, exampleCount) = (data.name, data.digest, data.exampleCount)
    warnings = data.warnings(of: data.name)
    sourceLengths = (0..<data.exampleCount).map(data.sourceLength)
    textSize = data.predictedSize(model.encoding)
    let (configuration, encoding, workspace) = (model.configuration, model.encoding, model.workspace)
    countUnknownTokens = { data.unknownTokens(encoding) }
    pass = { plan, includes in
      try learner.check(data)
      return LearnerEvaluation(
        learner, data, configuration, plan: plan, workspace: workspace, comparesOutputs: true,
        including: includes)
    }
  }

  /// The tokens of each text that the model has never seen. They are counted on each access.
  public var unknownTokens: [UnknownTokens] { countUnknownTokens() }
}

/// Collects input lines and predicts their outputs in batches.
public final class Predictor {
  private let model: SavedModel
  private var inputs: PredictionInputs
  private var options: PredictionOptions
  /// The tokens of all lines so far, and those of them that training never saw.
  public private(set) var tokens = (read: 0, unknown: 0)

  fileprivate init(_ model: SavedModel, _ options: PredictionOptions) throws {
    (self.model, self.options) = (model, options)
    inputs = try model.inputs()
  }

  /// Adds a line. If it can't be read, throws `DataError` with the name of the input.
  public func add(_ line: [UInt8], number: Int, name: String = "standard input") throws {
    try inputs.append(line, name: name, line: number)
    options.lineNumbers.append(number)
  }

  /// Adds a row of a csv file. Throws `DataError` as for a line.
  public func add(_ row: PredictionTable.Row) throws {
    try inputs.append(row)
    options.lineNumbers.append(row.line)
  }

  /// The csv file that begins with a line; nil if the line is not a header that names the columns that the model reads. Throws
  /// `DataError`.
  ///
  /// - Parameter addedNames: the names of the columns that the answer has after those of the file.
  public func table(
    header line: [UInt8], name: String = "standard input", adding addedNames: [String]
  ) throws -> PredictionTable? {
    try inputs.table(header: line, name: name, adding: addedNames)
  }

  /// Whether a line, which is read as a text, was most likely meant as a row of csv.
  public func looksLikeRow(_ line: [UInt8]) -> Bool { inputs.looksLikeRow(line) }

  /// The number of waiting lines.
  public var count: Int { inputs.count }

  /// Returns the outputs of the lines that were added since the last call, in their order.
  public func run() throws -> [Prediction] {
    let set = inputs.take()
    if let sources = set.source?.tokenSequences, let unknown = model.encoding.source?.unknown {
      tokens.read += sources.elements.count
      tokens.unknown += sources.elements.count { $0 == unknown }
    }
    defer { options.lineNumbers.removeAll(keepingCapacity: true) }
    return set.count > 0 ? try model.predict((0..<Int32(set.count)).map { $0 }, of: set, options) : []
  }
}
