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
    let bits = mixed(mixed(seed) &+ number)
    // Of 32 random bits, the upper part of the product with n is a number below n.
    let date = Date(day: Int(((bits >> 32) &* UInt64(Date.days)) >> 32))
    let form = Int(((bits & 0xFFFF_FFFF) &* UInt64(Self.forms.count)) >> 32)
    return "\(Self.forms[form](date)) is \(date.iso), a \(date.weekday)."
  }

  private static let forms: [@Sendable (Date) -> String] = [
    { "the \($0.ordinal) of \($0.monthName), \($0.year)" },
    { "\($0.monthName) \($0.day), \($0.year)" },
    { "\($0.monthName) the \($0.ordinal), \($0.year)" },
    { "\($0.day) \($0.monthName) \($0.year)" },
    { "\($0.day) \($0.monthName.prefix(3)) \($0.year)" },
    { "\($0.year)/\($0.month)/\($0.day)" },
    { "day \($0.dayOfYear) of \($0.year)" },
  ]
}

/// A day of the years 1950 to 2049, in which every fourth year is a leap year.
private struct Date {
  static let days = 36_525
  private static let monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  private static let monthNames = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
  ]
  // 1950-01-01 was a Sunday.
  private static let weekdays = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]

  let year: Int
  let month: Int
  let day: Int
  let dayOfYear: Int
  let weekday: String

  /// The day so many days after 1950-01-01.
  init(day number: Int) {
    weekday = Self.weekdays[number % 7]
    var rest = number
    var year = 1950
    while rest >= Self.length(of: year) {
      rest -= Self.length(of: year)
      year += 1
    }
    dayOfYear = rest + 1
    var month = 0
    while rest >= Self.length(of: month, year) {
      rest -= Self.length(of: month, year)
      month += 1
    }
    (self.year, self.month, day) = (year, month + 1, rest + 1)
  }

  private static func length(of year: Int) -> Int { year % 4 == 0 ? 366 : 365 }

  private static func length(of month: Int, _ year: Int) -> Int {
    monthLengths[month] + (month == 1 && year % 4 == 0 ? 1 : 0)
  }

  var monthName: String { Self.monthNames[month - 1] }

  var iso: String { "\(year)-\(twoDigits(month))-\(twoDigits(day))" }

  /// The day of the month as people write it: 1st, 2nd, 3rd, 4th, 11th, 21st.
  var ordinal: String {
    let suffix =
      switch (day % 100 / 10, day % 10) {
      case (1, _): "th"
      case (_, 1): "st"
      case (_, 2): "nd"
      case (_, 3): "rd"
      default: "th"
      }
    return "\(day)\(suffix)"
  }

  private func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
