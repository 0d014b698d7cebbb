import Foundation
import TestSupport
import Testing

/// The benchmarks run and print their results; their speed is not tested.
@Suite(.timeLimit(.minutes(15))) struct BenchCommandTests {
  private func run(_ arguments: [String], ranks: Int? = nil) async throws -> [String: Any] {
    let outcome = try await Program.run(["bench"] + arguments + ["--json"], ranks: ranks)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let object = try JSONSerialization.jsonObject(with: outcome.standardOutput)
    return try #require(object as? [String: Any])
  }

  private static let small = [
    "--vocab", "11", "--embed", "5", "--hidden", "7", "--layers", "1",
  ]

  @Test(arguments: ["fp32", "bf16"], [nil, 2] as [Int?])
  func trainingSteps(precision: String, ranks: Int?) async throws {
    let result = try await run(
      ["lm", "--batch", "4", "--steps", "3", "--iters", "3", "--precision", precision] + Self.small,
      ranks: ranks)
    #expect(result["precision"] as? String == precision && result["ranks"] as? Int == ranks ?? 1)
    let loss = try #require(result["loss"] as? Double)
    #expect(abs(loss - log(11)) < 0.3)
    try expectShares(result)
    #expect((result["tok_s"] as? Int ?? 0) > 0 && (result["product_gflops"] as? Double ?? 0) > 0)
    let utilization = try #require(result["utilization"] as? Double)
    #expect(utilization >= 0 && utilization < 1)
  }

  /// The shares of the time, of which products have some.
  private func expectShares(_ result: [String: Any]) throws {
    let shares = try #require(result["shares"] as? [String: Double])
    #expect(Set(shares.keys) == ["products", "pointwise", "softmax", "optimizer", "communication"])
    #expect(shares.values.allSatisfy { $0 >= 0 } && shares.values.reduce(0, +) <= 1.01, "\(shares)")
    #expect((shares["products"] ?? 0) > 0)
  }

  @Test(arguments: [nil, 3] as [Int?])
  func scaling(ranks: Int?) async throws {
    let result = try await run(
      ["scaling", "--batch", "4", "--steps", "3", "--iters", "2", "--hosts", "1,16"] + Self.small,
      ranks: ranks)
    for kind in ["strong", "weak"] {
      let rows = try #require(result[kind] as? [[String: Any]])
      #expect(rows.map { $0["ranks"] as? Int } == (ranks == nil ? [1] : [1, 2, 3]))
      #expect(rows.allSatisfy { ($0["ms"] as? Double ?? 0) > 0 && ($0["predicted_ms"] as? Double ?? 0) > 0 })
    }
    let cluster = try #require(result["cluster"] as? [[String: Any]])
    #expect(cluster.map { $0["hosts"] as? Int } == [1, 16])
    #expect(cluster[0]["predicted_speedup"] as? Double == 1)
    let steps = try #require(cluster[1]["local_steps"] as? Int)
    let steps16 = try #require(cluster[1]["local_steps_bf16"] as? Int)
    #expect(steps >= steps16 && steps16 >= 1)
  }

  @Test(arguments: [
    ["--shard-optimizer"], ["--share-parameters", "--reduce-method", "auto"], ["--local-steps", "2"],
  ])
  func scalingOfSharedWork(options: [String]) async throws {
    let result = try await run(
      ["scaling", "--batch", "4", "--steps", "3", "--iters", "2", "--ranks", "2,2", "--optimizer", "adam"]
        + options + Self.small, ranks: 2)
    let rows = try #require(result["strong"] as? [[String: Any]])
    #expect(rows.map { $0["ranks"] as? Int } == [2])
    #expect(rows.allSatisfy { ($0["predicted_ms"] as? Double ?? 0) > 0 })
    #expect(result["sent_bytes"] as? Int == 0, "there is one host")
  }

  @Test(arguments: [nil, 2] as [Int?])
  func tunedTrainingSteps(ranks: Int?) async throws {
    for kind in [
      ["lm", "--steps", "3"] + Self.small, ["seq2seq", "--hidden", "6", "--src", "9", "--tgt", "9"],
    ] {
      let result = try await run(
        kind + ["--batch", "4", "--iters", "2", "--products", "tuned"], ranks: ranks)
      let products = try #require(result["products"] as? [[String: Any]])
      #expect(products.count > 4)
      for product in products {
        let (kernels, blas) = (product["kernels_us"] as? Double ?? 0, product["blas_us"] as? Double ?? 0)
        #expect(kernels > 0 && blas > 0, "\(product)")
        #expect(["kernels", "blas"].contains(product["chosen"] as? String), "\(product)")
      }
    }
    #expect(
      try await run(["lm", "--batch", "4", "--steps", "3", "--iters", "2"] + Self.small)["products"] == nil)
  }

  @Test func aTraceHasEveryKindOfWork() async throws {
    let folder = try TemporaryDirectory()
    _ = try await run(
      ["lm", "--batch", "4", "--steps", "3", "--iters", "2", "--profile", folder.file("trace.json")]
        + Self.small)
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("trace.json")))
    let trace = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let events = try #require(trace["traceEvents"] as? [[String: Any]])
    let names = Set(events.compactMap { $0["name"] as? String })
    #expect(names == ["products", "pointwise", "softmax", "optimizer"])
    var end = 0.0
    for event in events {
      let (start, length) = (event["ts"] as? Double ?? -1, event["dur"] as? Double ?? -1)
      #expect(start >= end - 1e-3 && length >= 0, "pieces of work follow each other")
      end = start + length
    }
  }

  /// Five steps of warm-up and two more, each with one sum of the gradient and one of the totals.
  @Test func collectivesOfEveryRankAreWritten() async throws {
    let folder = try TemporaryDirectory()
    let options = ["--batch", "4", "--steps", "3", "--iters", "2", "--records", folder.file("records.json")]
    _ = try await run(["lm"] + options + Self.small, ranks: 2)
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.file("records.json")))
    #expect(data.last == UInt8(ascii: "\n"), "the form of flight-record.json")
    let written = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    let ranks = try #require(written["ranks"] as? [[String: Any]])
    #expect(ranks.compactMap { $0["rank"] as? Int } == [0, 1])
    for rank in ranks {
      let records = try #require(rank["records"] as? [[String: Any]])
      let sums = records.filter { $0["operation"] as? String == "sum of a vector" }
      #expect(sums.compactMap { $0["step"] as? Int } == Array(1...7), "\(records)")
      #expect(sums.allSatisfy { $0["seconds"] is Double && $0["age"] is Double })
    }
    let alone = try await Program.run(["bench", "lm", "--records", folder.file("none")] + Self.small)
    #expect(alone.exitCode == 64 && alone.standardError.contains("mpirun -np 2"), "\(alone)")
  }

  @Test(arguments: ["lm", "seq2seq", "generate"]) func tooLarge(kind: String) async throws {
    let sizes = ["--hidden", "65536"] + (kind == "seq2seq" ? [] : ["--layers", "50"])
    try await Program.run(["bench", kind] + sizes).expect(78, "GiB")
  }

  @Test(arguments: ["fp32", "bf16", "int8"]) func generation(precision: String) async throws {
    let result = try await run(
      ["generate", "--length", "5", "--streams", "3", "--precision", precision] + Self.small)
    #expect(result["streams"] as? Int == 3 && (result["chars_s"] as? Int ?? 0) > 0)
    #expect((result["limit_chars_s"] as? Int ?? 0) > 0 && result["utilization"] is Double)
    try expectShares(result)
  }

  @Test(arguments: ["fp32", "bf16", "int8"]) func latency(precision: String) async throws {
    let result = try await run(["latency", "--hidden", "7", "--steps", "3", "--precision", precision])
    #expect(result["precision"] as? String == precision && (result["us"] as? Double ?? 0) > 0)
    #expect((result["utilization"] as? Double ?? 0) > 0)
    try expectShares(result)
  }

  @Test func reductions() async throws {
    let result = try await run(["allreduce", "--largest", "1"], ranks: 2)
    let sizes = try #require(result["sizes"] as? [[String: Any]])
    #expect(sizes.compactMap { $0["bytes"] as? Int }.last == 1_000_000 && sizes.count == 10)
    #expect((result["bandwidth_gb_s"] as? Double ?? 0) > 0)
    let alone = try await Program.run(["bench", "allreduce"])
    #expect(alone.exitCode == 64 && alone.standardError.contains("mpirun -np 2"), "\(alone)")
  }

  @Test(arguments: [
    ["lm", "--precision", "fp16"], ["generate", "--cell", "cnn"], ["generate", "--streams", "0"],
    ["lm", "--hidden", "65537"], ["generate", "--layers", "65"], ["allreduce", "--largest", "0"],
    ["scaling", "--products", "tuned"], ["lm", "--products", "fast"], ["lm", "--precision", "int8"],
    ["lm", "--kernels", "sse9"],
    ["gemm", "--kernels", "sse9"],
    ["seq2seq", "--products", "tuned", "--precision", "bf16"], ["gemm", "--tune", "--require", "0.5"],
  ]) func badOptions(arguments: [String]) async throws {
    let outcome = try await Program.run(["bench"] + arguments)
    #expect(outcome.exitCode == 64 && outcome.standardError.contains(arguments[1]), "\(outcome)")
  }
}
