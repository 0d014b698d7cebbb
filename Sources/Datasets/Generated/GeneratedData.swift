import NumericKernels

/// Pairs of sequences that are computed: for a first run, for tests and for comparisons.
///
/// The parts are `source<TAB>target` lines, for the format tsv with characters as tokens. They depend only on the seed,
/// and no source occurs twice, whether in one part or in two.
public struct GeneratedTask: Sendable, Equatable {
  public var seed: UInt64
  /// Examples of each part; a part with 0 examples is left out.
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

  /// One generated example and the key that distinguishes it from others.
  typealias Example = (key: String, source: String, target: String)

  /// Draws examples until there are enough with different keys.
  ///
  /// - Parameter draw: returns an example made from random numbers.
  /// - Throws: `DataError.tooFewDifferent` if there are not enough after many draws.
  func sources(_ name: String, _ draw: (inout CounterRandom) -> Example) throws -> DataSources {
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
      count == 0 ? nil : DataSource.file(.memory(parts[part], name: "\(name) (\(suffix))"))
    }
    return DataSources(
      train: .file(.memory(parts[0], name: "\(name) (training)")), valid: source(1, valid, "validation"),
      test: source(2, test, "test"))
  }
}

// MARK: - The tasks

extension GeneratedTask {
  /// Dates as people write them to ISO 8601: `the 3rd of May, 2017` to `2017-05-03`.
  ///
  /// Days of 1950 to 2049 in the habits of several languages (`DateHabits`), one in five in lower case and
  /// one in ten in upper case. A text that could be read in two ways always has the same meaning.
  public func dates(languages: [DateLanguage] = DateLanguage.allCases) throws -> DataSources {
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
  /// Each number has 1 to `digits` digits, all equally probable. A pair and its reverse count as the same.
  public func addition(digits: Int = 3) throws -> DataSources {
    precondition((1...9).contains(digits), "numbers of 1 to 9 digits, not of \(digits)")
    return try sources("generated sums") { random in
      let numbers = (0..<2).map { which in
        let count = 1 + random.nextIndex(below: digits)
        return (0..<count).reduce(0) { number, _ in number * 10 + random.nextIndex(below: 10) }
      }
      let (first, second) = (numbers[0], numbers[1])
      return (
        "\(min(first, second))+\(max(first, second))", "\(first)+\(second)", "\(first + second)"
      )
    }
  }

  /// The target for a sequence of random symbols.
  public enum SymbolTask: String, CaseIterable, Sendable {
    case copy, reverse
  }

  /// Pairs of a random string and the same string or its reverse. The length is uniform in a range.
  ///
  /// - Parameter symbols: size of the alphabet, 1 to 62.
  public func symbols(_ task: SymbolTask, symbols: Int = 26, lengths: ClosedRange<Int>) throws
    -> DataSources
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

// MARK: - Text

/// Writes sentences about dates: text for a run without any file.
///
/// Each line gives a date in one of several forms, its ISO 8601 form and its day of the week, as in
/// `the 3rd of May, 2017 is 2017-05-03, a Wednesday.` Dates are uniform over 1950-01-01 to 2049-12-31. A seed
/// gives the same text everywhere; ASCII only.
public struct DateTextGenerator: Sendable {
  public let seed: UInt64
  /// The minimum number of characters: the text ends with the line that reaches it.
  public let characters: Int

  public init(seed: UInt64, characters: Int) {
    self.seed = seed
    self.characters = characters
  }

  /// The whole text.
  public func generate() -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(characters + 128)
    var line: UInt64 = 0
    while text.count < characters {
      text.append(contentsOf: sentence(line).utf8)
      text.append(UInt8(ascii: "\n"))
      line += 1
    }
    return text
  }

  /// The text as a source for `TextCorpus`.
  public func source() -> TextSource { .memory(generate(), name: "generated text") }

  /// Line `number`, which depends only on the seed.
  private func sentence(_ number: UInt64) -> String {
    var random = CounterRandom(
      key: RandomKey(seed: seed, purpose: .generatedData), sample: number, stream: 1)
    let day = CalendarDay(random.nextIndex(below: CalendarDay.count))
    let form = random.nextIndex(below: Self.forms.count)
    return "\(Self.forms[form](day)) is \(day.iso), a \(DateLanguage.english.habits.weekdays[day.weekday])."
  }

  private static let forms: [@Sendable (CalendarDay) -> String] = [
    { "the \($0.englishOrdinal) of \($0.englishMonth), \($0.year)" },
    { "\($0.englishMonth) \($0.day), \($0.year)" },
    { "\($0.englishMonth) the \($0.englishOrdinal), \($0.year)" },
    { "\($0.day) \($0.englishMonth) \($0.year)" },
    { "\($0.day) \($0.englishMonth.prefix(3)) \($0.year)" },
    { "\($0.year)/\($0.month)/\($0.day)" },
    { "day \($0.dayOfYear) of \($0.year)" },
  ]
}

extension CalendarDay {
  fileprivate var englishMonth: String { DateLanguage.english.habits.months[month - 1] }
}
