/// The options for reading examples of one kind. The properties of `data` are properties of this type, too.
@dynamicMemberLookup
public struct ExampleOptions: Sendable, Equatable {
  /// How to treat labels of evaluation data that the training data don't have.
  public enum UnknownLabels: Sendable {
    case error
    /// Gives them the id -1 (``LabelVocabulary/unknown``), which no model predicts.
    case count
  }

  public var kind: DataKind
  public var data: DataOptions
  public var source: TextOptions
  public var target: TextOptions
  /// Whether every word of a source also gets its spelling.
  public var characters = false
  /// Whether targets of taggers and classifiers are numbers rather than names.
  public var numericTargets = false
  /// Whether the numbers of a step's target are bits or their probabilities, 0 to 1.
  public var bits = false
  /// Whether every source must have as many steps as the first one of the training data.
  public var equalSteps = false
  public var unknownLabels = UnknownLabels.error
  /// The seed of the choice of validation examples: `validFraction` of those in the training file. Examples with the same source stay
  /// together, and the choice does not depend on their order.
  public var validSeed: UInt64 = 0
  /// Whether the text of training examples is kept, too; the text of other examples is always kept.
  public var keepTrainingTexts = false

  public init(kind: DataKind, _ data: DataOptions) {
    (self.kind, self.data) = (kind, data)
    (source, target) = (data.sourceText, data.targetText)
  }

  public subscript<Value>(dynamicMember property: WritableKeyPath<DataOptions, Value>) -> Value {
    get { data[keyPath: property] }
    set { data[keyPath: property] = newValue }
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
