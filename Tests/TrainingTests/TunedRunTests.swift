import Foundation
import NumericKernels
import TestSupport
import Testing

@testable import Training
@testable import Tasks

/// Whole runs with tuned matrix products. The choices are written into the cache beforehand.
@Suite("A tuned run keeps its choices")
struct TunedRunTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 260) }

  private func configuration(_ products: TrainingConfiguration.Products = .tuned) -> RunConfiguration {
    .small(text) {
      // Sums long enough that their last bits show which implementation added them up.
      $0.model.network.hiddenSize = 48
      $0.training.steps = 9
      $0.training.products = products
    }
  }

  private var cache: ProductCache { ProductCache(directory: directory.file("cache")) }

  private func job(_ run: String, ranks: Int, _ products: TrainingConfiguration.Products = .tuned) -> Job {
    var job = Job(configuration(products), ranks: ranks, directory: directory.file(run))
    job.productCache = cache
    return job
  }

  /// Makes one backend faster for all shapes in the cache.
  private func prefer(_ backend: ProductBackend) {
    let known = cache.load().known.mapValues { measurement in
      ProductMeasurement(
        measurement.shape, kernels: backend == .kernels ? 1 : 2, blas: backend == .kernels ? 2 : 1)
    }
    #expect(!known.isEmpty && cache.save(known) == nil)
  }

  private func choices(_ recorder: Recorder) -> [ProductChoices] {
    recorder.events.compactMap { if case .choseProducts(let choices) = $0 { choices } else { nil } }
  }

  private func model(_ run: String) throws -> Data { try CheckpointFiles(last: directory.file(run)).model }

  @Test("The choice determines the implementation on all ranks", arguments: [1, 2])
  func theChoiceIsUsed(ranks: Int) throws {
    let first = Recorder()
    try job("first", ranks: ranks).run(first)
    let met = try #require(choices(first).first)
    #expect(choices(first).count == 1 && met.choices.count + met.unmeasured > 5)
    for backend in ProductBackend.allCases {
      prefer(backend)
      let recorder = Recorder()
      try job("\(backend)", ranks: ranks).run(recorder)
      #expect(choices(recorder).first?.choices.allSatisfy { $0.backend == backend } == true)
      let event = try #require(
        metrics(of: directory.file("\(backend)")).first { $0["event"] as? String == "products" })
      #expect((event[backend.rawValue] as? Int ?? 0) > 5)
    }
    let rule = Recorder()
    try job("rule", ranks: ranks, .rule).run(rule)
    #expect(choices(rule).isEmpty)
    #expect(try model("rule") == model("\(ProductMode.rule)"))
    #expect(try model("kernels") != model("blas"), "the two ways can't be told apart")
    #expect(
      relativeDifference(
        try lastWeights(of: directory.file("blas")), try lastWeights(of: directory.file("kernels"))) < 0.1)
  }

  @Test("A resumed run has the same bytes after a change of the cache", arguments: [1, 2, 3])
  func resumed(ranks: Int) throws {
    try job("first", ranks: ranks).run()
    prefer(.blas)
    try job("straight", ranks: ranks).run()
    let signals = StopSignals()
    var stopped = job("stopped", ranks: ranks)
    stopped.signals = { $0 == 0 ? signals : StopSignals() }
    let outcome = try stopped.run(
      Recorder { if case .step(let report) = $0, report.step == 3 { signals.requestStop() } })
    #expect(outcome.ending == .signalled)
    prefer(.kernels)
    stopped.signals = { _ in StopSignals() }
    stopped.existing = .resume
    let recorder = Recorder()
    try stopped.run(recorder)
    #expect(choices(recorder).first?.choices.allSatisfy { $0.backend == .blas } == true)
    #expect(
      try CheckpointFiles(last: directory.file("stopped"))
        == CheckpointFiles(last: directory.file("straight")))
    // A new run would have used the cache.
    try job("new", ranks: ranks).run()
    #expect(try model("new") != model("straight"))
  }

  @Test("On another number of ranks, a resumed run keeps its choices")
  func otherRanks() throws {
    try job("first", ranks: 2).run()
    prefer(.blas)
    var run = job("run", ranks: 2)
    run.configuration.training.steps = 4
    try run.run()
    prefer(.kernels)
    run = job("run", ranks: 1)
    run.existing = .resume
    let recorder = Recorder()
    #expect(try run.run(recorder).step == 9)
    #expect(choices(recorder).first?.choices.allSatisfy { $0.backend == .blas } == true)
  }

  @Test("A run can't be resumed with another setting of the choice")
  func otherSetting() throws {
    try job("run", ranks: 1, .rule).run()
    var other = job("run", ranks: 1)
    other.existing = .resume
    let ends = try other.ends()
    #expect(ends.map(\.exitCode) == [ExitCode.configuration])
    #expect(ends[0].message.contains("training.products"))
  }

  @Test("Without a cache directory, nothing is kept and nothing fails")
  func withoutCache() throws {
    var job = job("run", ranks: 2)
    job.productCache = nil
    let recorder = Recorder()
    #expect(try job.run(recorder).ending == .completed)
    #expect(choices(recorder).count == 1)
    #expect(!FileManager.default.fileExists(atPath: directory.file("cache")))
  }

  @Test("A cache that can't be written is a warning in the run")
  func unwritable() throws {
    var job = job("run", ranks: 1)
    job.productCache = ProductCache(directory: text + "/cache")
    let recorder = Recorder()
    #expect(try job.run(recorder).ending == .completed)
    let warnings = recorder.events.compactMap { if case .warning(let text) = $0 { text } else { nil } }
    #expect(warnings.contains { $0.contains("could not be saved") })
  }
}
