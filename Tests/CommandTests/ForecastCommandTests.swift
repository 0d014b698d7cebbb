import Foundation
import TestSupport
import Testing

/// A forecast from a table, from training to lines in the units of the data.
@Suite struct ForecastCommandTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  /// A load that repeats itself every six rows and depends on the warmth of three rows before.
  private static func table(_ unit: (Double) -> Double) -> [UInt8] {
    var (state, warmth): (UInt64, [Double]) = (7, [0, 0, 0])
    let rows = (0..<240).map { row -> String in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      warmth.append(Double(state >> 40) / Double(1 << 24))
      let load = sin(Double(row) * .pi / 3) + warmth[row]
      return "2024-01-\(row),\(warmth[row + 3]),\(unit(load))"
    }
    return Array((["day,warmth,load"] + rows).joined(separator: "\n").utf8)
  }

  private func run(_ arguments: String..., input: [UInt8] = []) async throws -> Outcome {
    let outcome = try await Program.run(arguments, in: folder.path, input: input)
    try #require(outcome.exitCode == 0, "\(outcome)")
    return outcome
  }

  /// The metrics of a model that is trained on the table in some unit.
  private func metrics(_ name: String, _ unit: (Double) -> Double) async throws -> [String: Double] {
    try folder.write(Self.table(unit), to: "\(name).csv")
    let trained = try await run(
      "train", "forecast", "data.train=\(name).csv", "data.columns.source=warmth,load",
      "data.columns.target=load",
      "data.window=12", "data.horizon=3", "data.season=6", "model.hidden_size=16", "training.epochs=0",
      "training.steps=150", "training.batch_size=16", "training.learning_rate=0.01",
      "data.valid_fraction=0.2",
      "evaluation.every_steps=50", "--run-dir", name)
    #expect(trained.standardError.contains("predict \(name) < table.csv\n"), "\(trained)")
    let scored = try await run("evaluate", name, "--json")
    let json = try #require(JSONSerialization.jsonObject(with: scored.standardOutput) as? [String: Any])
    return json.compactMapValues { $0 as? Double }
  }

  @Test func aTableInAnyUnit() async throws {
    let plain = try await metrics("plain") { $0 }
    func value(_ name: String) throws -> Double { try #require(plain[name], "\(plain)") }
    #expect(try value("mae") < value("persistence_mae") && value("mae") < value("seasonal_naive_mae"))
    #expect(try value("quantile_loss") < value("mae") && value("mse") > 0)

    let other = try await metrics("other") { 1000 * $0 + 5000 }
    let (loss, otherLoss) = (try value("loss"), try #require(other["loss"]))
    #expect(abs(loss - otherLoss) < 0.02 * loss, "\(loss), \(otherLoss)")
    for name in ["mae", "quantile_loss", "persistence_mae", "seasonal_naive_mae"] {
      let (own, scaled) = (try value(name), try #require(other[name]))
      #expect(abs(scaled - 1000 * own) < 20 * own, "\(name)")
    }

    // There is no embedding and no vocabulary.
    let inspected = try await run("inspect", "other").output
    #expect(!inspected.contains("embedding") && !inspected.contains("vocabularies"), "\(inspected)")

    // A request has lines of its own, so that no window of rows would be complete.
    let served = try await Program.run(["serve", "other", "--port", "0"], in: folder.path)
    #expect(served.exitCode == 65 && served.standardError.contains("can't be served"), "\(served)")

    // Ranks share the windows: the sums are added in another order.
    for ranks in [2, 4] {
      let shared = try await Program.run(["evaluate", "other", "--json"], ranks: ranks, in: folder.path)
      let json = try #require(
        JSONSerialization.jsonObject(with: shared.standardOutput) as? [String: Any], "\(shared)")
      for name in ["loss", "mse", "mae", "quantile_loss", "persistence_mae", "seasonal_naive_mae"] {
        let (one, several) = (try #require(other[name]), try #require(json[name] as? Double))
        #expect(abs(one - several) <= 1e-5 * abs(one), "\(name) on \(ranks) ranks")
      }
    }

    // One line for each line of the table: empty for the header and before the first whole window.
    let lines = Self.table { 1000 * $0 + 5000 }.split(separator: 0x0A).prefix(20)
    let input = Array(lines.joined(separator: [0x0A])) + [0x0A]
    let predicted = try await run("predict", "other", input: input)
    #expect(predicted.standardError.isEmpty, "\(predicted)")
    let output = predicted.output
    let answers = output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    #expect(answers.count == 20)
    #expect(answers.prefix(12).allSatisfy { $0.isEmpty })
    for answer in answers.dropFirst(12) {
      let steps = answer.split(separator: " ").map { $0.split(separator: ",").compactMap { Double($0) } }
      #expect(steps.count == 3 && steps.allSatisfy { $0.count == 3 && $0 == $0.sorted() }, "\(answer)")
      #expect(steps.joined().allSatisfy { (3000...8000).contains($0) }, "\(answer)")
    }
    let few = Array(lines.prefix(12).joined(separator: [0x0A]))
    let warned = try await run("predict", "other", input: few)
    #expect(warned.output == String(repeating: "\n", count: 12))
    #expect(warned.standardError.contains("needs 12 rows"), "\(warned)")
  }

  @Test(arguments: [
    ["data.season=13"], ["data.horizon=0"], ["model.output=softmax"], ["model.quantiles=[0.9, 0.1]"],
    ["model.quantiles=[0.5, 1.2]"], ["data.max_length=5"], ["data.empty_sequences=skip"],
    ["data.columns.source=1", "data.columns.series=[2, 3]"],
  ])
  func refusals(settings: [String]) async throws {
    try folder.write(Self.table { $0 }, to: "table.csv")
    let outcome = try await Program.run(
      [
        "train", "forecast", "data.train=table.csv", "data.window=12", "data.horizon=3", "data.season=6",
        "--dry-run",
      ]
        + settings, in: folder.path)
    #expect(outcome.exitCode == 78 && !outcome.errors.isEmpty, "\(outcome)")
    let key = settings[settings.count - 1].prefix { $0 != "=" }
    #expect(
      outcome.standardError.contains(
        key == "model.output" ? "data.window" : key.hasPrefix("data.columns") ? "data.columns" : key),
      "\(outcome)")
  }
}
