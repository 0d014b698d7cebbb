import NumericKernels

/// Tasks from a sequence to a sequence whose examples are computed: for a first run, for tests, for
/// comparisons.
///
/// The parts are `source<TAB>target` lines for task seq2seq with `format` tsv and characters as tokens. They
/// depend on nothing but the seed, and no source occurs twice, in one part or in two.
public struct GeneratedTask: Sendable, Equatable {
  public var seed: UInt64
  /// Examples of each part; a part of none is left out.
  public var train: Int
  public var valid: Int
  public var test: Int

  public init(seed: UInt64, train: Int, valid: Int, test: Int = 0) {
    precondition(train > 0 && valid >= 0 && test >= 0, "\(train), \(valid) and \(test) examples")
    self.seed = seed
    self.train = train
    self.valid = valid
    self.test = test
  }

  /// What the generator of a task makes of one draw.
  typealias Example = (key: String, source: String, target: String)

  /// Draws examples until there are enough with different keys.
  ///
  /// - Parameter draw: gives the example of some random numbers.
  /// - Throws: `DataError.tooFewDifferent` if after many draws there are not enough.
  func sources(_ name: String, _ draw: (inout CounterRandom) -> Example) throws -> SequenceSources {
    let wanted = train + valid + test
    var seen = WordTable()
    var parts: [[UInt8]] = [[], [], []]
    let ends = [train, train + valid, wanted]
    for attempt in 0..<20 * wanted + 100_000 where seen.count < wanted {
      var random = CounterRandom(
        key: RandomKey(seed: seed, purpose: .generatedData), sample: UInt64(attempt))
      let example = draw(&random)
      let number = seen.count
      guard seen.intern(Array(example.key.utf8)) == number else { continue }
      let part = ends.firstIndex { number < $0 } ?? 0
      parts[part].append(contentsOf: "\(example.source)\t\(example.target)\n".utf8)
    }
    guard seen.count == wanted else {
      throw DataError.tooFewDifferent(task: name, wanted: wanted, found: seen.count)
    }
    let source = { (part: Int, count: Int, suffix: String) in
      count == 0 ? nil : SequenceSource.file(.memory(parts[part], name: "\(name) (\(suffix))"))
    }
    return SequenceSources(
      train: .file(.memory(parts[0], name: "\(name) (training)")), valid: source(1, valid, "validation"),
      test: source(2, test, "test"))
  }
}

// MARK: - The tasks

extension GeneratedTask {
  /// Dates as people write them to ISO 8601: `the 3rd of May, 2017` to `2017-05-03`.
  ///
  /// Days of 1950 to 2049 in the habits of several languages (``DateHabits``), one in five in lower case and
  /// one in ten in upper case. What could be read in two ways is always meant in one.
  public func dates(languages: [DateLanguage] = DateLanguage.allCases) throws -> SequenceSources {
    precondition(!languages.isEmpty, "dates of no language")
    let habits = languages.map(\.habits)
    return try sources("generated dates") { random in
      let day = CalendarDay(random.nextIndex(below: CalendarDay.count))
      let language = habits[random.nextIndex(below: habits.count)]
      let forms = day.day > 12 ? language.forms + language.monthFirst : language.forms
      var text = day.written(forms[random.nextIndex(below: forms.count)], language)
      switch random.nextIndex(below: 10) {
      case 0...1: text = text.lowercased()
      case 2: text = text.uppercased()
      default: break
      }
      return (text, text, day.iso)
    }
  }

  /// Sums: `123+45` to `168`, after the addition example of Keras.
  ///
  /// Each number has 1 to `digits` digits, all counts alike. A pair and its reverse are the same.
  ///
  /// - Parameters:
  ///   - padded: every source as long as the longest, every target too, with spaces at their ends.
  ///   - reversed: the source backwards, padding included.
  public func addition(digits: Int = 3, padded: Bool = false, reversed: Bool = false) throws
    -> SequenceSources
  {
    precondition((1...9).contains(digits), "numbers of 1 to 9 digits, not of \(digits)")
    return try sources("generated sums") { random in
      let numbers = (0..<2).map { which in
        let count = 1 + random.nextIndex(below: digits)
        return (0..<count).reduce(0) { number, _ in number * 10 + random.nextIndex(below: 10) }
      }
      let (first, second) = (numbers[0], numbers[1])
      var source = "\(first)+\(second)"
      var target = "\(first + second)"
      if padded {
        source += String(repeating: " ", count: 2 * digits + 1 - source.count)
        target += String(repeating: " ", count: digits + 1 - target.count)
      }
      if reversed { source = String(source.reversed()) }
      return ("\(min(first, second))+\(max(first, second))", source, target)
    }
  }

  /// What is to be done with random symbols.
  public enum SymbolTask: String, CaseIterable, Sendable {
    case copy, reverse
  }

  /// Random letters to themselves or to their reverse; the length is uniform in a range.
  ///
  /// - Parameter symbols: size of the alphabet, 1 to 62.
  public func symbols(_ task: SymbolTask, symbols: Int = 26, lengths: ClosedRange<Int>) throws
    -> SequenceSources
  {
    let alphabet = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    precondition((1...alphabet.count).contains(symbols), "1 to \(alphabet.count) symbols, not \(symbols)")
    precondition(lengths.lowerBound > 0, "lengths above 0, not \(lengths)")
    return try sources("generated symbols") { random in
      let length = lengths.lowerBound + random.nextIndex(below: lengths.count)
      let text = (0..<length).map { _ in alphabet[random.nextIndex(below: symbols)] }
      return (String(text), String(text), String(task == .copy ? text : text.reversed()))
    }
  }
}
