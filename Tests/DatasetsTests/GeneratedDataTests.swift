import Datasets
import Foundation
import Testing

@Suite struct GeneratedTaskTests {
  private func pairs(_ source: DataSource?) -> [(source: String, target: String)] {
    guard case .file(.memory(let bytes, _)) = source else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      return (fields[0], fields[1])
    }
  }

  private func all(_ sources: DataSources) -> [(source: String, target: String)] {
    pairs(sources.train) + pairs(sources.valid) + pairs(sources.test)
  }

  @Test func partsAreDeterministicAndShareNothing() throws {
    let task = GeneratedTask(seed: 3, train: 300, valid: 50, test: 20)
    for make in [
      { try $0.dates() }, { try $0.addition() }, { try $0.symbols(.copy, lengths: 1...10) },
    ] as [(GeneratedTask) throws -> DataSources] {
      let sources = try make(task)
      #expect(sources == (try make(task)))
      #expect(sources != (try make(GeneratedTask(seed: 4, train: 300, valid: 50, test: 20))))
      #expect(
        pairs(sources.train).count == 300 && pairs(sources.valid).count == 50
          && pairs(sources.test).count == 20)
      #expect(Set(all(sources).map(\.source)).count == 370)
      #expect(try make(GeneratedTask(seed: 3, train: 5, valid: 0)).valid == nil)
    }
  }

  @Test func sums() throws {
    let pattern = /(\d+)\+(\d+)/
    let task = GeneratedTask(seed: 1, train: 2000, valid: 200)
    var unordered: Set<[Int]> = []
    for (source, target) in all(try task.addition()) {
      let match = try #require(try pattern.wholeMatch(in: source))
      let numbers = [Int(match.1) ?? -1, Int(match.2) ?? -1]
      #expect(numbers.allSatisfy { (0...999).contains($0) })
      #expect(numbers[0] + numbers[1] == Int(target))
      #expect(unordered.insert(numbers.sorted()).inserted)
    }
  }

  @Test func copiesAndReverses() throws {
    let task = GeneratedTask(seed: 1, train: 500, valid: 100)
    let copies = all(try task.symbols(.copy, symbols: 4, lengths: 2...20))
    #expect(copies.allSatisfy { $0.source == $0.target && (2...20).contains($0.source.count) })
    #expect(Set(copies.map(\.source.count)) == Set(5...20).union(copies.map(\.source.count)))
    #expect(Set(copies.map(\.source).joined()) == Set("abcd"))
    let reversed = all(try task.symbols(.reverse, symbols: 4, lengths: 2...20))
    #expect(reversed.allSatisfy { String($0.source.reversed()) == $0.target })
  }

  @Test func moreThanThereAreIsAnError() {
    let task = GeneratedTask(seed: 1, train: 10, valid: 0)
    #expect(throws: DataError.tooFewDifferent(task: "generated symbols", wanted: 10, found: 6)) {
      try task.symbols(.copy, symbols: 2, lengths: 1...2)
    }
    #expect(throws: DataError.tooFewDifferent(task: "generated sums", wanted: 56, found: 55)) {
      try GeneratedTask(seed: 1, train: 50, valid: 6).addition(digits: 1)
    }
  }

  // MARK: Dates

  /// The day of the week of a date in Foundation's calendar; nil for an invalid date.
  private static func weekday(_ year: Int, _ month: Int, _ day: Int) -> Int? {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    let components = DateComponents(year: year, month: month, day: day)
    guard let date = calendar.date(from: components),
      calendar.dateComponents([.year, .month, .day], from: date) == components
    else { return nil }
    return calendar.component(.weekday, from: date) - 1
  }

  /// The names of the months and days in a language, from Unicode's data.
  private static func symbols(_ language: DateLanguage) -> (months: [String], weekdays: [String]) {
    let codes: [DateLanguage: String] = [
      .english: "en", .german: "de", .french: "fr", .spanish: "es", .italian: "it", .portuguese: "pt",
      .dutch: "nl",
      .swedish: "sv",
    ]
    var calendar = Calendar(identifier: .gregorian)
    calendar.locale = Locale(identifier: codes[language] ?? "")
    return (calendar.monthSymbols.map { $0.lowercased() }, calendar.weekdaySymbols.map { $0.lowercased() })
  }

  /// Parses every generated date independently, with numbers and with Unicode's names for the language.
  @Test(arguments: DateLanguage.allCases)
  func textAndTargetAreTheSameDate(language: DateLanguage) throws {
    let (months, weekdays) = Self.symbols(language)
    var (named, numeric, withWeekday) = (0, 0, 0)
    for (source, target) in all(try GeneratedTask(seed: 5, train: 700, valid: 0).dates(languages: [language]))
    {
      let iso = target.split(separator: "-").compactMap { Int($0) }
      let (year, month, day) = (iso[0], iso[1], iso[2])
      #expect(target.count == 10 && (1950...2049).contains(year))
      let weekday = try #require(Self.weekday(year, month, day))
      let text = source.lowercased()
      let numbers = text.split { !$0.isASCII || !$0.isNumber }.map(String.init)
      let words = text.split { !$0.isLetter && $0 != "-" }.map(String.init)

      if let name = weekdays.firstIndex(where: { words.contains($0) }) {
        #expect(name == weekday, "\(source)")
        withWeekday += 1
      }
      if let name = months.firstIndex(where: { words.contains($0) }) {
        #expect(name + 1 == month, "\(source)")
        named += 1
      }
      if text.contains(where: \.isLetter) {
        #expect(numbers.count == 2, "\(source)")
        #expect(Int(numbers[0]) == day || Int(numbers[1]) == day, "\(source)")
        let last = numbers[1]
        let years = [year, year % 100, day]
        #expect(Int(last).map { years.contains($0) } == true, "\(source)")
      } else {
        numeric += 1
        #expect(Self.reading(of: text) == iso, "\(source) \(target)")
      }
    }
    #expect(named > 100 && withWeekday > 30 && numeric > 30)
  }

  /// The only reading of a date of numbers: the year has four digits, and if both other numbers may be months, the day is
  /// first.
  private static func reading(of text: String) -> [Int]? {
    let parts = text.split { !$0.isNumber }.map(String.init)
    if parts.count == 1, text.count == 8 {
      return [text.prefix(4), text.dropFirst(4).prefix(2), text.suffix(2)].compactMap { Int($0) }
    }
    let numbers = parts.compactMap { Int($0) }
    guard numbers.count == 3 else { return nil }
    if parts[0].count == 4 { return numbers }
    return numbers[1] <= 12 ? numbers.reversed() : [numbers[2], numbers[0], numbers[1]]
  }

  /// No text denotes two days in any language, whether as generated or in lower case.
  @Test func noTextHasTwoMeanings() throws {
    var meanings: [String: String] = [:]
    for (source, target) in all(try GeneratedTask(seed: 9, train: 30_000, valid: 0).dates()) {
      let known = meanings.updateValue(target, forKey: source.lowercased())
      #expect(known == nil || known == target, "\(source)")
    }
  }

  @Test func casesAndLanguagesOccur() throws {
    let sources = all(try GeneratedTask(seed: 2, train: 10_000, valid: 0).dates()).map(\.source)
    let text = sources.joined(separator: "\n")
    for part in [
      "the 1st", "März", "février", "de marzo de", "maggio", "segunda-feira", "woensdag", "den ", "1er", "1º",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(sources.contains { $0.contains(where: \.isLetter) && $0 == $0.uppercased() })
  }

  @Test func theTaskIsLearnableWithFewCharacters() throws {
    let options = ExampleOptions(.paired, .tsv, source: .char, target: .char)
    let corpus = try ExampleCorpus.load(
      GeneratedTask(seed: 1, train: 5000, valid: 500).dates(), options: options)
    #expect((corpus.encoding.source?.count ?? 0) < 100)
    #expect(corpus.encoding.target?.count == 14)
    #expect(corpus.train.lengths(.target).allSatisfy { $0 == 10 })
    #expect((corpus.train.lengths(.source).max() ?? 0) <= 50)
  }
}

@Suite struct DateTextGeneratorTests {
  private static let lines = String(
    decoding: DateTextGenerator(seed: 7, characters: 200_000).generate(), as: UTF8.self
  ).split(separator: "\n")

  @Test func aSeedGivesOneText() {
    let text = DateTextGenerator(seed: 1, characters: 5000).generate()
    #expect(text == DateTextGenerator(seed: 1, characters: 5000).generate())
    #expect(text != DateTextGenerator(seed: 2, characters: 5000).generate())
    #expect(text.starts(with: DateTextGenerator(seed: 1, characters: 1000).generate()))
    #expect((5000..<5100).contains(text.count))
    #expect(text.last == UInt8(ascii: "\n"))
    #expect(text.allSatisfy { $0 < 0x80 })
  }

  /// Every line agrees with Foundation's calendar.
  @Test func datesAgreeWithTheCalendar() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    let pattern = /(.+) is ((\d{4})-(\d\d)-(\d\d)), a ([A-Z][a-z]+)\./
    let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    for line in Self.lines {
      let match = try #require(try pattern.wholeMatch(in: line), "\(line)")
      let (year, month, day) = (Int(match.3) ?? 0, Int(match.4) ?? 0, Int(match.5) ?? 0)
      let components = DateComponents(year: year, month: month, day: day)
      #expect((1950...2049).contains(year))
      let date = try #require(calendar.date(from: components))
      #expect(calendar.dateComponents([.year, .month, .day], from: date) == components, "\(line)")
      #expect(weekdays[calendar.component(.weekday, from: date) - 1] == match.6, "\(line)")
      let dayOfYear = try #require(calendar.ordinality(of: .day, in: .year, for: date))
      #expect(Self.spellings(year, month, day, dayOfYear).contains(String(match.1)), "\(line)")
    }
  }

  private static func spellings(_ year: Int, _ month: Int, _ day: Int, _ dayOfYear: Int) -> [String] {
    let names = [
      "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
      "November", "December",
    ]
    let ordinals = [1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd", 31: "st"]
    let name = names[month - 1]
    let ordinal = "\(day)" + (ordinals[day] ?? "th")
    return [
      "the \(ordinal) of \(name), \(year)", "\(name) \(day), \(year)", "\(name) the \(ordinal), \(year)",
      "\(day) \(name) \(year)", "\(day) \(name.prefix(3)) \(year)", "\(year)/\(month)/\(day)",
      "day \(dayOfYear) of \(year)",
    ]
  }

  @Test func formsYearsAndDaysAllOccur() {
    let text = Self.lines.joined(separator: "\n")
    for part in ["the 1st of", "May the ", "day 3", " Feb 19", "1950", "2049", "-12-31", "-02-29", "11th"] {
      #expect(text.contains(part), "\(part)")
    }
  }

  @Test func theTextIsACorpus() throws {
    let corpus = try TextCorpus.load(
      train: DateTextGenerator(seed: 1, characters: 20_000).source(), validFraction: 0.1,
      options: TextOptions(.char))
    #expect(corpus.vocabulary.count < 64)
    #expect(corpus.valid?.ids.contains(0) == false)
  }
}
