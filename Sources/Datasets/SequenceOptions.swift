/// What sequences are read for; it decides what a file's fields mean.
public enum SequenceTask: String, CaseIterable, Sendable {
  /// A target for every step of the source.
  case tagger
  /// One target for the whole source.
  case classifier
  /// A target sequence from a class, from a vector, or from nothing.
  case generator
  /// A target sequence from a source sequence of another length.
  case seq2seq
}

/// The layout of a file of sequences.
public enum SequenceFormat: String, CaseIterable, Sendable {
  /// One sequence a line.
  case lines
  /// `label<TAB>text`, or `source<TAB>target[<TAB>second source]`.
  case tsv
  /// A token and its tag a line, a blank line between sentences; other columns in between are skipped.
  case columns
  /// CoNLL-U: the columns FORM and UPOS.
  case conllu
  /// `label,x0,x1,…`: a number a step.
  case csv
  /// `label<TAB>file.npy`: an array [steps, width] a line, its path relative to the list.
  case npy
  /// Steps between `|`, each the keys that sound: `39 43 46|39 43|46`.
  case multihot
}

/// The unit of text that gets an id.
public enum SequenceTokenization: String, CaseIterable, Sendable {
  case byte
  /// Unicode scalars.
  case char
  /// Words between white space of any kind.
  case word
  /// Symbols between spaces, such as phones.
  case space
  /// Subwords of a SentencePiece model.
  case bpe
}

/// How one side of the text becomes tokens.
public struct SequenceTextOptions: Sendable, Equatable {
  public var tokenization: SequenceTokenization
  /// Turns the text to lower case; of bytes only A to Z.
  public var lowercase: Bool
  /// Tokens that occur less often in the training text become `<unk>` (char, word, space).
  public var minCount: Int
  /// Largest vocabulary, special tokens included; 0: no limit, but the size of a subword model, which needs
  /// one, is then 8,000.
  public var maxVocabulary: Int

  public init(
    _ tokenization: SequenceTokenization, lowercase: Bool = false, minCount: Int = 1, maxVocabulary: Int = 0
  ) {
    self.tokenization = tokenization
    self.lowercase = lowercase
    self.minCount = minCount
    self.maxVocabulary = maxVocabulary
  }
}

/// How sequences are read, and what is done with those that don't fit.
public struct SequenceOptions: Sendable, Equatable {
  /// What to do with a sequence above its limit.
  public enum Overlong: String, CaseIterable, Sendable {
    case error, skip, truncate
  }

  /// What to do with an example without source or target.
  public enum EmptySequences: String, CaseIterable, Sendable {
    case error, skip
  }

  /// What to do with labels of evaluation parts that the training part doesn't have.
  public enum UnknownLabels: String, CaseIterable, Sendable {
    case error
    /// They get the id -1 (``LabelVocabulary/unknown``), which no model predicts.
    case count
  }

  public var task: SequenceTask
  public var format: SequenceFormat
  public var source = SequenceTextOptions(.word)
  public var target = SequenceTextOptions(.word)
  /// One vocabulary, counted over both sides.
  public var sharedVocabulary = false
  /// Gives every word of a source also its spelling.
  public var characters = false
  /// Targets of taggers and classifiers are numbers, not names.
  public var numericTargets = false
  /// Numbers of a step's target are bits or their probabilities, 0 to 1.
  public var bits = false
  /// Every source has as many steps as the first one of the training part.
  public var equalSteps = false
  /// Keys of a multi-hot step.
  public var multihotWidth = 88
  /// Most tokens or steps of a source, 0: no limit.
  public var maximumLength = 0
  /// Most tokens of a target text, or steps of a target of vectors, 0: no limit.
  public var maximumTargetLength = 0
  public var overlong = Overlong.error
  public var emptySequences = EmptySequences.error
  public var unknownLabels = UnknownLabels.error
  /// Share of the training file that is cut off for validation where no validation file is given. Examples
  /// with the same source stay together; which ones are cut off does not depend on their order.
  public var validFraction = 0.0
  /// Another number cuts off others.
  public var validSeed: UInt64 = 0
  /// Keeps the text of the training part too; that of the others is always kept.
  public var keepTrainingTexts = false
  public var subwords = SubwordOptions()

  public init(task: SequenceTask, format: SequenceFormat) {
    self.task = task
    self.format = format
  }
}

/// Where the text of one part is read from.
public enum SequenceSource: Sendable, Equatable {
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
}

/// The parts of a corpus.
public struct SequenceSources: Sendable, Equatable {
  public var train: SequenceSource
  public var valid: SequenceSource?
  public var test: SequenceSource?

  public init(train: SequenceSource, valid: SequenceSource? = nil, test: SequenceSource? = nil) {
    self.train = train
    self.valid = valid
    self.test = test
  }
}
