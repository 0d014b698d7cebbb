import Datasets
import Testing

/// Windows over tables: which rows an example reads and forecasts, and what is compared with.
@Suite struct WindowTests {
  private func options(
    _ columns: [DataPart: [String]] = [:], _ change: (inout ExampleOptions) -> Void = { _ in }
  ) -> ExampleOptions {
    ExampleOptions(.labeled, .csv) {
      $0.numericTargets = true
      ($0.window, $0.horizon) = (3, 2)
      if !columns.isEmpty { $0.columns = DataColumns(parts: columns) }
      change(&$0)
    }
  }

  /// Row r is r, 10 r, and a word.
  private func table(_ rows: Range<Int>, header: String? = "a,b,c") -> String {
    ((header.map { [$0] } ?? []) + rows.map { "\($0),\(10 * $0),w" }).joined(separator: "\n")
  }

  @Test func rowsOfAWindow() throws {
    let corpus = try options([.source: ["a", "b"], .target: ["b"]]).load(.text(table(0..<6)))
    #expect(corpus.train.count == 2)
    #expect(corpus.train.numbers(.source) == [[0, 0, 1, 10, 2, 20], [1, 10, 2, 20, 3, 30]])
    #expect(corpus.train.numbers(.target) == [[30, 40], [40, 50]])
    #expect(corpus.train.lengths(.source) == [3, 3] && corpus.train.lengths(.target) == [1, 1])
    #expect(corpus.encoding.sourceWidth == 2 && corpus.encoding.targetWidth == 2)
    let warnings = corpus.train.warnings(of: "data")
    #expect(warnings.count == 1 && warnings[0].contains("data.scaling=standard"))
    #expect(corpus.train.report.firstExample == "rows 1 to 3, then 2 to forecast")
    let naive = try #require(corpus.train.naive)
    #expect(naive.persistence(1, horizon: 2) == [30, 30])
    #expect(naive.seasonal(1, horizon: 2, season: 1) == [30, 30])
    #expect(naive.seasonal(1, horizon: 2, season: 3) == [10, 20])
    // Gathered as a batch.
    var values = [Float](repeating: 0, count: 12)
    let vectors = try #require(corpus.train.source?.vectorSequences)
    values.withUnsafeMutableBufferPointer { _ = vectors.gather([1, 0], into: $0) }
    #expect(values == [1, 10, 2, 20, 3, 30, 0, 0, 1, 10, 2, 20])
  }

  @Test func withoutAChoiceOfColumns() throws {
    let corpus = try options().load(.text((0..<5).map { "\($0),1" }.joined(separator: "\n")))
    #expect(corpus.train.numbers(.source) == [[0, 1, 1, 1, 2, 1]])
    #expect(corpus.train.numbers(.target) == [[3, 4]])
    #expect(corpus.train.warnings(of: "data") == [])
  }

  @Test func theEndIsForValidation() throws {
    let options = options([.source: ["1"], .target: ["2"]]) {
      $0.validFraction = 0.4
      $0.scaling = .standard
    }
    let corpus = try options.load(.text(table(0..<10, header: nil)))
    // The cut is before row 6: training targets end there, those of validation begin there.
    #expect(corpus.train.count == 2 && corpus.valid?.count == 3)
    // Rows 0 to 5: mean 2.5, deviation √(35/12); those after it are scaled by the same.
    let unscaled = try #require(corpus.encoding.targetScale).undo(corpus.valid?.numbers(.target)[0] ?? [])
    #expect(unscaled.map { $0.rounded() } == [60, 70])
    #expect(corpus.encoding.sourceScale?.means == [2.5])
    let test = try ExampleCorpus.read(
      .text(table(0..<10, header: nil)), options: options, encoding: corpus.encoding)
    #expect(test.count == 6)
    #expect(test.numbers(.source)[0] == corpus.train.numbers(.source)[0])
  }

  @Test func windowsStayWithinASeries() throws {
    let text = "id,y\n" + (0..<6).map { "a,\($0)\n" }.joined() + (0..<5).map { "b,\(100 + $0)\n" }.joined()
    let options = options([.target: ["y"], .series: ["id"]])
    let corpus = try options.load(.text(text))
    #expect(corpus.train.numbers(.target) == [[3, 4], [4, 5], [103, 104]])
    #expect(corpus.train.numbers(.source)[2] == [100, 101, 102])
  }

  /// A series goes on where its name comes back, in a file and in lines to forecast from.
  @Test func seriesThatAlternate() throws {
    let rows = (0..<5).flatMap { ["a,\($0)", "b,\(100 + $0)"] }
    let options = options([.source: ["y"], .target: ["y"], .series: ["id"]])
    let train = DataSource.text((["id,y"] + rows).joined(separator: "\n"))
    let corpus = try options.load(train)
    #expect(corpus.train.numbers(.source) == [[0, 1, 2], [100, 101, 102]])
    #expect(corpus.train.numbers(.target) == [[3, 4], [103, 104]])
    #expect(corpus.train.report.firstExample == "rows 1 to 3 of series \"a\", then 2 to forecast")
    #expect(corpus.train.naive?.persistence(1, horizon: 2) == [102, 102])

    var inputs = try PredictionInputs(options: options, encoding: corpus.encoding, like: train)
    for line in ["id,y"] + rows.prefix(6) { try? inputs.append(line.utf8, name: "input", line: 1) }
    #expect(inputs.take().numbers(.source) == [[0, 1, 2], [100, 101, 102]])
  }

  /// Without a choice of columns by name, another file is read by position, so its header must be that of the training data.
  @Test(arguments: ["b,a,c", "a,x,c"]) func anotherHeaderIsRefused(header: String) throws {
    let options = options([.source: ["1-2"], .target: ["1"]])
    let train = DataSource.text(table(0..<6))
    let encoding = try options.load(train).encoding
    #expect(encoding.columnNames == ["a", "b", "a"])
    let other = DataSource.text(table(0..<6, header: header))
    let problem: LineProblem =
      header == "b,a,c" ? .otherColumn("b", expected: "a") : .otherColumn("x", expected: "b")
    let error = DataError.line(name: "text", line: 1, problem: problem)
    #expect(throws: error) { try ExampleCorpus.read(other, options: options, encoding: encoding) }
    #expect(throws: error) {
      try ExampleCorpus.load(DataSources(train: train, valid: other), options: options)
    }
    var inputs = try PredictionInputs(options: options, encoding: encoding, like: train)
    #expect(throws: DataError.line(name: "input", line: 1, problem: problem)) {
      try inputs.append(header.utf8, name: "input", line: 1)
    }
    // A column that is not read may have any name, and a file without a header is read by position.
    for header in ["A,b,other", nil] {
      let same = DataSource.text(table(0..<6, header: header))
      #expect(try ExampleCorpus.read(same, options: options, encoding: encoding).count == 2)
    }
  }

  /// Numbers are 32-bit in a model. Those that would all become the same are refused, not learned as a constant.
  @Test func numbersThatAreTooCloseForTheirSize() throws {
    func load(_ number: (Int) -> String) throws -> ExampleCorpus {
      let rows = (0..<40).map { "\(number($0)),7,\($0 % 3)" }
      return try self.options([.source: ["1-3"], .target: ["1"]]) { $0.scaling = .standard }
        .load(.text(rows.joined(separator: "\n")))
    }
    let error = #expect(throws: DataError.self) { try load { "\(1_000_000_000 + $0 % 20)" } }
    #expect(error?.description.contains("column 1") == true, "\(String(describing: error))")
    #expect(throws: DataError.self) { try load { "20000.0\($0 % 10)" } }
    // Equal numbers, large numbers that vary by as much, and small ones lose nothing.
    for number in [{ _ in "1000000001" }, { "\(1_000_000_000 + $0 * 1_000_000)" }, { "0.0000\($0 % 10)" }]
      as [(Int) -> String]
    {
      #expect(try load(number).train.count == 36)
    }
  }

  @Test func namedColumnsInAnyOrder() throws {
    let options = options([.source: ["a", "b"], .target: ["b"]])
    let corpus = try options.load(.text(table(0..<6)))
    let rows = (0..<6).map { "\(10 * $0),w,\($0)" }
    let other = try ExampleCorpus.read(
      .text((["b,c,a"] + rows).joined(separator: "\n")), options: options, encoding: corpus.encoding)
    #expect(other.numbers(.source) == corpus.train.numbers(.source))
  }

  @Test func missingNumbersOfATable() throws {
    let rows = ["0,5", "1,", "2,5", "3,5", "4,5", "5,5", "NA,5", "7,5"].joined(separator: "\n")
    let corpus = try options([.source: ["1", "2"], .target: ["1"]]) { $0.missing = .mask }.load(.text(rows))
    // Windows with a target in row 6 are left out: of rows 3 to 7 only 3, 4 and 4, 5 remain.
    #expect(corpus.train.numbers(.target) == [[3, 4], [4, 5]])
    #expect(corpus.train.numbers(.source)[0] == [0, 5, 1, 1, 1, 5, 1, 0, 2, 5, 1, 1])
    let warning = "data: 2 windows left out, because a target is missing"
    #expect(corpus.train.warnings(of: "data").contains(warning))
  }

  /// A column of times, which is not one of numbers, would be read if no columns are chosen.
  @Test(arguments: ["time,a,b\n", ""]) func aColumnOfText(header: String) throws {
    let rows = (0..<8).map { "2024-03-01 0\($0):00,\($0),\($0 == 0 ? "" : "5")\n" }.joined()
    let table = DataSource.text(header + rows)
    let line = header.isEmpty ? 1 : 2
    let problem = LineProblem.tableText(
      "2024-03-01 00:00", column: 1, name: header.isEmpty ? nil : "time", numbers: [2, 3],
      choosesTarget: false)
    #expect(throws: DataError.line(name: "text", line: line, problem: problem)) {
      try self.options().load(table)
    }
    let advice = "such as data.columns.target=2 data.columns.source=2,3"
    #expect(problem.description.hasSuffix(advice), "\(problem)")
    let chosen = self.options([.source: ["2", "3"], .target: [header.isEmpty ? "2" : "a"]]) {
      $0.missing = .mask
    }
    let corpus = try chosen.load(table)
    #expect(corpus.train.count == 4)
    // The columns of other data are those of the training data.
    let field = LineProblem.notANumber("x", column: 2)
    let names = header.isEmpty ? "" : "time,a,b\n"
    #expect(throws: DataError.line(name: "text", line: line, problem: field)) {
      try ExampleCorpus.read(.text(names + "1,x,2\n"), options: chosen, encoding: corpus.encoding)
    }
    // A chosen column of text must be replaced by another one, not only left out of the inputs.
    #expect(throws: DataError.line(name: "text", line: line, problem: problem)) {
      try self.options([.source: ["1", "2"], .target: ["1"]]).load(table)
    }
    // In a later row, and for a number with a comma, the field is wrong, not the choice of columns.
    for (text, wrong) in [("1\n2\nx\n", "x"), ("1,5;2\n", "1,5")] {
      let error = #expect(throws: DataError.self) { try self.options().load(.text(text)) }
      guard case .line(_, _, .notANumber(wrong, column: 1)) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  /// The forecasts to compare with are those of known numbers, not of the mean in the place of missing ones.
  @Test func baselinesOfMissingNumbers() throws {
    let two = ["1,5", "2,5", ",5", "4,5", "5,5", ",5", ",5", ",5", "9,5"].joined(separator: "\n")
    let wide = try options([.source: ["1", "2"], .target: ["1"]]) {
      ($0.missing, $0.scaling, $0.horizon) = (.mask, .standard, 1)
    }.load(.text(two))
    let forecasts = try #require(wide.train.naive)
    // The windows end in row 3, which has no number, in row 4, and in row 8 after three rows without a number.
    let known = (0..<wide.train.count).map { forecasts.persistence($0, horizon: 1)[0] }
    #expect(known.count == 3 && known[0] == 2 && known[1] == 4 && known[2].isNaN)
    #expect(forecasts.seasonal(0, horizon: 1, season: 2) == [2])
  }

  @Test func anotherNumberOfTargetsIsRefused() throws {
    let options = options([.source: ["1"], .target: ["2"]]) { $0.scaling = .standard }
    let encoding = try options.load(.text(table(0..<6, header: nil))).encoding
    var other = options
    other.columns = DataColumns(parts: [.source: ["1"], .target: ["1-2"]])
    #expect(throws: DataError.line(name: "text", line: 1, problem: .width(found: 2, expected: 1))) {
      try ExampleCorpus.read(.text(table(0..<6, header: nil)), options: other, encoding: encoding)
    }
  }

  /// A line that can't be read does not change how the next ones are read.
  @Test func anOpenQuotationMarkEndsWithItsLine() throws {
    let train = DataSource.text(table(0..<6, header: nil))
    let options = options([.source: ["1"], .target: ["2"]])
    var inputs = try PredictionInputs(
      options: options, encoding: options.load(train).encoding, like: train)
    #expect(throws: DataError.line(name: "input", line: 1, problem: .openQuotes)) {
      try inputs.append("\"1,2,w".utf8, name: "input", line: 1)
    }
    for line in 2...4 { try? inputs.append("\(line),2,w".utf8, name: "input", line: line) }
    #expect(inputs.take().numbers(.source) == [[2, 3, 4]])
  }

  @Test func linesToForecastFrom() throws {
    let train = DataSource.text(table(0..<6))
    let options = options([.source: ["a", "b"], .target: ["b"]]) { $0.scaling = .standard }
    let corpus = try options.load(train)
    var inputs = try PredictionInputs(options: options, encoding: corpus.encoding, like: train)
    for (number, line) in table(0..<5).split(separator: "\n").enumerated() {
      do {
        try inputs.append(line.utf8, name: "input", line: number + 1)
        #expect(number > 2)
      } catch {
        // The header and the rows before the first whole window.
        guard case .line("input", number + 1, .empty) = error as? DataError, number < 3 else {
          Issue.record("line \(number): \(error)")
          continue
        }
      }
    }
    #expect(inputs.count == 3)
    let set = inputs.take()
    #expect(set.numbers(.source)[0] == corpus.train.numbers(.source)[0])
    #expect(set.numbers(.source)[1] == corpus.train.numbers(.source)[1])
    #expect(inputs.count == 0)
    #expect(throws: DataError.line(name: "input", line: 9, problem: .notANumber("x", column: 2))) {
      try inputs.append("1,x,w".utf8, name: "input", line: 9)
    }
  }

  @Test func tablesThatCannotBeCut() {
    let options = options([.source: ["1"], .target: ["2"]])
    #expect(throws: DataError.tooFewRows(name: "text", needed: 5, part: nil)) {
      try options.load(.text(table(0..<4, header: nil)))
    }
    #expect(
      throws: DataError.line(
        name: "text", line: 3, problem: .columns(found: 2, expected: 3, delimiter: .comma))
    ) {
      try options.load(.text("1,2,3\n1,2,3\n1,2\n"))
    }
    #expect(throws: DataError.line(name: "text", line: 2, problem: .notANumber("", column: 1))) {
      try options.load(.text("1,2\n,2\n"))
    }
    #expect(throws: DataError.noExamples(name: "text")) { try options.load(.text("a,b\n")) }
    #expect(throws: DataError.line(name: "text", line: 2, problem: .notANumber("0x10", column: 1))) {
      try options.load(.text("1,2\n0x10,2\n"))
    }
    #expect(!LineProblem.notANumber("0x10", column: 1).description.contains("data.decimal"))
    var mostlyValid = options
    mostlyValid.validFraction = 0.9
    let error = DataError.tooFewRows(name: "text", needed: 5, part: "training")
    #expect(throws: error) { try mostlyValid.load(.text(table(0..<20, header: nil))) }
    #expect(error.description.contains("training part") && error.description.contains("data.valid_fraction"))
  }
}
