/// How examples are read, and what is done with those that don't fit.
public struct ExampleOptions: Sendable, Equatable {
  /// How to treat labels of evaluation data that the training data don't have.
  public enum UnknownLabels: Sendable {
    case error
    /// They get the id -1 (``LabelVocabulary/unknown``), which no model predicts.
    case count
  }

  public var kind: DataKind
  public var format: DataFormat
  /// The columns of tsv, csv and columns files, where they are not the usual ones.
  public var columns: DataColumns?
  /// Between the fields of csv.
  public var delimiter = Delimiter.auto
  /// The decimal mark of the numbers in csv files.
  public var decimal = DecimalMark.point
  public var source = TextOptions(.word)
  public var target = TextOptions(.word)
  /// One vocabulary, counted over both sides.
  public var sharedVocabulary = false
  /// Gives every word of a source also its spelling.
  public var characters = false
  /// Targets of taggers and classifiers are numbers, not names.
  public var numericTargets = false
  /// Numbers of a step's target are bits or their probabilities, 0 to 1.
  public var bits = false
  /// Every source has as many steps as the first one of the training data.
  public var equalSteps = false
  /// Keys of a multi-hot step.
  public var multihotWidth = 88
  /// Most tokens or steps of a source, 0: no limit.
  public var maximumLength = 0
  /// Most tokens of a target text, or steps of a target of vectors, 0: no limit.
  public var maximumTargetLength = 0
  public var overlong = OverlongExamples.error
  public var emptySequences = EmptyExamples.error
  public var unknownLabels = UnknownLabels.error
  /// Share of the training file that is cut off for validation where no validation file is given. Examples
  /// with the same source stay together; which ones are cut off does not depend on their order.
  public var validFraction = 0.0
  /// Another number cuts off others.
  public var validSeed: UInt64 = 0
  /// Keeps the text of the training examples too; that of the others is always kept.
  public var keepTrainingTexts = false

  public init(kind: DataKind, format: DataFormat) {
    self.kind = kind
    self.format = format
  }
}

/// Where the examples of one part of a corpus are read from.
public enum DataSource: Sendable, Equatable {
  case file(TextSource)
  /// Files of which the n-th lines belong together; the target may be labels or tags.
  case parallel(source: TextSource, target: TextSource, secondSource: TextSource? = nil)

  /// The name in messages about the whole.
  public var name: String {
    switch self {
    case .file(let file): file.name
    case .parallel(let source, _, _): source.name
    }
  }

  /// The folder that the paths in the file start from.
  var folder: String {
    guard case .file(let file) = self else { return "" }
    return file.folder
  }
}

/// Where the parts of a corpus are read from.
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
