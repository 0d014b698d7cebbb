/// A day of the years 1950 to 2049, in which every fourth year is a leap year.
struct CalendarDay {
  /// Number of these days.
  static let count = 36_525
  private static let monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

  let year: Int
  let month: Int
  let day: Int
  let dayOfYear: Int
  /// 0: Sunday.
  let weekday: Int

  /// The day so many days after 1950-01-01, which was a Sunday.
  init(_ number: Int) {
    weekday = number % 7
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

  /// As in ISO 8601: 2017-05-03.
  var iso: String { "\(year)-\(twoDigits(month))-\(twoDigits(day))" }

  /// The day of the month as people write it in English: 1st, 2nd, 3rd, 4th, 11th, 21st.
  var englishOrdinal: String {
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
}

/// A number below 100 with a zero before it if need be.
func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
