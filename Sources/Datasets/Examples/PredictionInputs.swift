/// Lines to predict from: the source of an example each, without a target.
///
/// A line is, by format and task, the text (of columns the words with white space between them), for seq2seq
/// `source[<TAB>second source]`, for csv `x0,x1,…`, for npy the path of an array, relative to the current
/// directory, for multihot the steps, and for a generator the class.
public struct PredictionInputs: Sendable {
  private let options: SequenceOptions
  private let layout: RecordLayout
  private var builder: SplitBuilder
  private var record = RawRecord()
  private let encoding: DataEncoding

  /// Inputs for a model that was trained with these options on a source of this kind. Throws
  /// `DataError.unsupported`, also for a generator without a source.
  public init(options: SequenceOptions, encoding: DataEncoding, like source: SequenceSource) throws {
    let trained = try RecordLayout(options, source)
    // Steps alone are read as well as written: each predicts the next.
    guard let kind = trained.source ?? (trained.target == .multihot ? .multihot : nil) else {
      throw options.unsupported("the model was trained without a source; it takes no input")
    }
    // One line in, one line out: none is left out.
    var options = options
    options.emptySequences = .error
    if options.overlong == .skip { options.overlong = .error }
    self.options = options
    layout = RecordLayout(inputOf: kind)
    self.encoding = encoding
    builder = SplitBuilder(options, layout, encoding, folder: "", isEvaluation: true)
  }

  /// Number of lines since the last `take`.
  public var count: Int { builder.count }

  /// Adds a line. Throws `DataError`, and then adds nothing, also for lines that other data is read without:
  /// empty ones, and too long ones unless the options say to truncate them.
  public mutating func append(_ line: some Sequence<UInt8>, name: String, line number: Int) throws {
    record.source.bytes = Array(line)
    record.hasSecondSource = false
    (record.source.name, record.source.line) = (name, number)
    if options.task == .classifier, options.format == .tsv, record.source.bytes.contains(0x09) {
      // A line of the training data, most likely: its class would be read as a word.
      let fields = record.source.bytes.count { $0 == 0x09 } + 1
      throw record.source.problem(.fields(found: fields, expected: "the text alone, without a class"))
    }
    if options.task == .seq2seq, layout.source == .text, let tab = record.source.bytes.firstIndex(of: 0x09) {
      let fields = record.source.bytes.count { $0 == 0x09 } + 1
      guard fields == 2 else {
        let expected = encoding.hasSecondSource == true ? "source<TAB>second source" : "one"
        throw record.source.problem(.fields(found: fields, expected: expected))
      }
      record.secondSource = record.source
      record.secondSource.bytes.removeFirst(tab + 1)
      record.source.bytes.removeLast(record.source.bytes.count - tab)
      record.hasSecondSource = true
    }
    try builder.append(record)
  }

  /// The lines since the last call, with their text.
  public mutating func take() -> ExampleSet { builder.take(name: record.source.name) }
}
