import Datasets
import Foundation
import Testing

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

  /// Every line is right by the calendar of Foundation.
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
