/// A day of the years 1950 to 2049, in which every fourth year is a leap year.
struct CalendarDay {
  /// Number of these days.
  static let count = 36_525
  private static let monthLengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

  let year: Int
  let month: Int
  let day: Int
  let dayOfYear: Int
  /// The day of the week; 0 is Sunday.
  let weekday: Int

  /// The day `number` days after 1950-01-01, which was a Sunday.
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

  /// The day in ISO 8601: 2017-05-03.
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

/// A number below 100 with two digits.
func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

/// A language in which dates are generated.
public enum DateLanguage: String, CaseIterable, Sendable {
  case english, german, french, spanish, italian, portuguese, dutch, swedish

  var habits: DateHabits {
    switch self {
    case .english:
      DateHabits(
        months: "January February March April May June July August September October November December",
        short: "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        weekdays: "Sunday Monday Tuesday Wednesday Thursday Friday Saturday",
        forms: [
          "the {th} of {month}, {y}", "{month} {d}, {y}", "{month} {th}, {y}", "{d} {month} {y}",
          "{th} {month} {y}", "{weekday}, {month} {d}, {y}", "{weekday} {d} {month} {y}", "{d} {mon} {y}",
          "{mon} {d}, {y}", "{d}-{mon}-{y}", "{d} {mon} '{yy}", "{dd}/{mm}/{y}", "{y}/{mm}/{dd}",
          "{y}{mm}{dd}",
        ],
        monthFirst: ["{m}/{d}/{y}", "{mm}/{dd}/{y}"])
    case .german:
      DateHabits(
        months: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        short: "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
        weekdays: "Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag",
        forms: [
          "{d}. {month} {y}", "{weekday}, {d}. {month} {y}", "{weekday}, der {d}. {month} {y}",
          "der {d}. {month} {y}", "{d}. {mon} {y}", "{d}.{m}.{y}", "{dd}.{mm}.{y}",
        ])
    case .french:
      DateHabits(
        months: "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        short: "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        weekdays: "dimanche lundi mardi mercredi jeudi vendredi samedi",
        forms: [
          "{o} {month} {y}", "{weekday} {o} {month} {y}", "le {o} {month} {y}", "{o} {mon} {y}",
          "{dd}/{mm}/{y}",
        ],
        firstDay: "1er")
    case .spanish:
      DateHabits(
        months: "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        short: "ene feb mar abr may jun jul ago sept oct nov dic",
        weekdays: "domingo lunes martes miércoles jueves viernes sábado",
        forms: [
          "{d} de {month} de {y}", "{weekday}, {d} de {month} de {y}", "el {d} de {month} de {y}",
          "{d} {mon} {y}", "{d}/{m}/{y}",
        ])
    case .italian:
      DateHabits(
        months:
          "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        short: "gen feb mar apr mag giu lug ago set ott nov dic",
        weekdays: "domenica lunedì martedì mercoledì giovedì venerdì sabato",
        forms: [
          "{o} {month} {y}", "{weekday} {o} {month} {y}", "il {o} {month} {y}", "{d} {mon} {y}",
          "{dd}/{mm}/{y}",
        ],
        firstDay: "1º")
    case .portuguese:
      DateHabits(
        months: "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        short: "jan fev mar abr mai jun jul ago set out nov dez",
        weekdays: "domingo segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado",
        forms: [
          "{d} de {month} de {y}", "{weekday}, {d} de {month} de {y}", "em {o} de {month} de {y}",
          "{d} {mon} {y}", "{dd}/{mm}/{y}",
        ],
        firstDay: "1º")
    case .dutch:
      DateHabits(
        months: "januari februari maart april mei juni juli augustus september oktober november december",
        short: "jan feb mrt apr mei jun jul aug sep okt nov dec",
        weekdays: "zondag maandag dinsdag woensdag donderdag vrijdag zaterdag",
        forms: [
          "{d} {month} {y}", "{weekday} {d} {month} {y}", "op {d} {month} {y}", "{d} {mon} {y}",
          "{dd}-{mm}-{y}", "{d}-{m}-{y}",
        ])
    case .swedish:
      DateHabits(
        months: "januari februari mars april maj juni juli augusti september oktober november december",
        short: "jan feb mars apr maj juni juli aug sep okt nov dec",
        weekdays: "söndag måndag tisdag onsdag torsdag fredag lördag",
        forms: [
          "{d} {month} {y}", "den {d} {month} {y}", "{weekday} den {d} {month} {y}", "{d} {mon} {y}",
          "{y}-{mm}-{dd}",
        ])
    }
  }
}

/// The forms of dates in a language.
///
/// A form is a text in which `{d}` is the day, `{dd}` with two digits, `{o}` with an ordinal for the first,
/// `{th}` as an English ordinal; `{m}`, `{mm}` the month as a number, `{month}` its name, `{mon}` the name
/// cut short; `{y}` the year, `{yy}` its last two digits; `{weekday}` the day of the week.
///
/// A text that can be read in two ways always has the same meaning: if two numbers may both be months, the first is the
/// day. A form with the month first, in `monthFirst`, is therefore used only for days above 12.
struct DateHabits {
  let months: [String]
  let shortMonths: [String]
  /// Sunday first.
  let weekdays: [String]
  let forms: [String]
  /// The forms in numbers with the month first.
  let monthFirst: [String]
  /// The first day of a month, for languages where only this day is an ordinal.
  let firstDay: String

  /// Takes the names of months and weekdays separated by spaces.
  init(
    months: String, short: String, weekdays: String, forms: [String], monthFirst: [String] = [],
    firstDay: String = "1"
  ) {
    let names = { (text: String) in text.split(separator: " ").map(String.init) }
    (self.months, shortMonths, self.weekdays) = (names(months), names(short), names(weekdays))
    (self.forms, self.monthFirst, self.firstDay) = (forms, monthFirst, firstDay)
  }
}

extension CalendarDay {
  /// The day written in a form of a language.
  func written(_ form: String, _ habits: DateHabits) -> String {
    let fields = [
      "d": "\(day)", "dd": twoDigits(day), "m": "\(month)", "mm": twoDigits(month), "y": "\(year)",
      "yy": twoDigits(year % 100), "month": habits.months[month - 1], "mon": habits.shortMonths[month - 1],
      "weekday": habits.weekdays[weekday],
      "o": day == 1 ? habits.firstDay : "\(day)", "th": englishOrdinal,
    ]
    var text = ""
    var rest = form[...]
    while let open = rest.firstIndex(of: "{"), let close = rest.firstIndex(of: "}") {
      text += rest[..<open]
      text += fields[String(rest[rest.index(after: open)..<close])] ?? ""
      rest = rest[rest.index(after: close)...]
    }
    return text + rest
  }
}
