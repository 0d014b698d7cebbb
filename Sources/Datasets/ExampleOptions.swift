/// The options for reading examples and for treating examples that don't fit.
public struct ExampleOptions: Sendable, Equatable {
  /// How to treat labels of evaluation data that the training data don't have.
  public enum UnknownLabels: Sendable {
    case error
    /// Gives them the id -1 (``LabelVocabulary/unknown``), which no model predicts.
    case count
  }

  public var kind: DataKind
  public var format: DataFormat
  /// The columns of tsv, csv and columns files, if they are not the default ones.
  public var columns: DataColumns?
  /// The delimiter between the fields of csv.
  public var delimiter = Delimiter.auto
  /// The decimal mark of the numbers in csv files.
  public var decimal = DecimalMark.point
  /// Rows of a table that a model reads to forecast the next ones; 0: examples are not windows.
  public var window = 0
  /// Rows that are forecast.
  public var horizon = 0
  public var scaling = NumberScaling.none
  public var missing = MissingNumbers.error
  public var source = TextOptions(.word)
  public var target = TextOptions(.word)
  /// Whether there is one vocabulary, counted over both sides.
  public var sharedVocabulary = false
  /// Whether every word of a source also gets its spelling.
  public var characters = false
  /// Whether targets of taggers and classifiers are numbers rather than names.
  public var numericTargets = false
  /// Whether the numbers of a step's target are bits or their probabilities, 0 to 1.
  public var bits = false
  /// Whether every source must have as many steps as the first one of the training data.
  public var equalSteps = false
  /// The number of keys of a multi-hot step.
  public var multihotWidth = 88
  /// The maximum number of tokens or steps of a source; 0: no limit.
  public var maximumLength = 0
  /// The maximum number of tokens of a target text, or of steps of a target of vectors; 0: no limit.
  public var maximumTargetLength = 0
  public var overlong = OverlongExamples.error
  public var emptySequences = EmptyExamples.error
  public var unknownLabels = UnknownLabels.error
  /// The share of the training file that is split off for validation if no validation file is given. Examples with the
  /// same source stay together. The choice does not depend on their order.
  public var validFraction = 0.0
  /// The seed of the choice of validation examples.
  public var validSeed: UInt64 = 0
  /// Whether the text of training examples is kept, too; the text of other examples is always kept.
  public var keepTrainingTexts = false

  public init(kind: DataKind, format: DataFormat) {
    self.kind = kind
    self.format = format
  }
}

/// The files from which the examples of one part of a corpus are read.
public enum DataSource: Sendable, Equatable {
  case file(TextSource)
  /// Files whose n-th lines belong together; the target may be labels or tags.
  case parallel(source: TextSource, target: TextSource, secondSource: TextSource? = nil)

  /// The name in messages about the whole source.
  public var name: String {
    switch self {
    case .file(let file): file.name
    case .parallel(let source, _, _): source.name
    }
  }

  /// The folder that paths in the file are relative to.
  var folder: String {
    guard case .file(let file) = self else { return "" }
    return file.folder
  }
}

/// The sources of the parts of a corpus.
public struct DataSources: Sendable, Equatable {
  public var train: DataSource
  public var valid: DataSource?
  public var test: DataSource?

  public init(train: DataSource, valid: DataSource? = nil, test: DataSource? = nil) {
    self.train = train
    self.valid = valid
    self.test = test
  }
}
