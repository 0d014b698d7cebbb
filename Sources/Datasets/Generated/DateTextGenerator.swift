import NumericKernels

/// Writes sentences about dates: text for a run without any file.
///
/// Each line gives a date in one of several forms, its ISO 8601 form and its day of the week, as in
/// `the 3rd of May, 2017 is 2017-05-03, a Wednesday.` Dates are uniform over 1950-01-01 to 2049-12-31. A seed
/// gives the same text everywhere; ASCII only.
public struct DateTextGenerator: Sendable {
  public let seed: UInt64
  /// The text ends with the line that reaches this many characters.
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

  /// Line `number`, which depends on nothing but the seed.
  private func sentence(_ number: UInt64) -> String {
    var random = CounterRandom(
      key: RandomKey(seed: seed, purpose: .generatedData), sample: number, stream: 1)
    let day = CalendarDay(random.nextIndex(below: CalendarDay.count))
    let form = random.nextIndex(below: Self.forms.count)
    return "\(Self.forms[form](day)) is \(day.iso), a \(DateHabits.english.weekdays[day.weekday])."
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
  fileprivate var englishMonth: String { DateHabits.english.months[month - 1] }
}
