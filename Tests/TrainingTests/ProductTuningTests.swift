import Communication
import Foundation
import NumericKernels
import Synchronization
import Tasks
import TestSupport
import Testing

@testable import Training
@testable import Benchmarking

/// Ranks measure, agree on and keep a choice. No test depends on actual times: where the choice matters, times are invented.
@Suite("Matrix products follow rank 0's measurements")
struct ProductTuningTests {
  private static func use(
    _ form: ProductForm, _ rows: Int, _ columns: Int, _ depth: Int, calls: Int = 1
  ) throws -> ProductUse {
    let shape = try #require(ProductShape(form, rows: rows, columns: columns, depth: depth))
    return ProductUse(shape, extent: form == .left ? depth : rows, calls: calls)
  }

  /// A tuner for which the BLAS is faster if `prefersBLAS` is true.
  private static func tuner(
    budget: Double = 1000, _ prefersBLAS: @escaping @Sendable (ProductUse) -> Bool
  ) -> ProductTuner {
    ProductTuner(budget: budget) { use, _ in prefersBLAS(use) ? (2, 1) : (1, 2) }
  }

  // MARK: Ranks

  @Test("All ranks use rank 0's choices for every shape of any rank", arguments: 1...4)
  func rankZeroChooses(ranks: Int) throws {
    let common = try Self.use(.packed, 4, 8, 16)
    let own = try (0..<ranks).map { try Self.use(.left, 8, 8 + $0, 2) }
    let results = try InProcessCommunicator.run(ranks: ranks) { communicator in
      // Every rank except 0 would choose differently.
      let isFirst = communicator.rank == 0
      let tuner = Self.tuner { ($0.shape == common.shape) == isFirst }
      return try ProductSelection(cache: nil, tuner: tuner).choose(
        [common, own[communicator.rank]], on: communicator
      ).choices
    }
    #expect(results.allSatisfy { $0 == results[0] })
    let table = results[0].table
    #expect(table[common.shape] == .blas)
    for use in own { #expect(table[use.shape] == .kernels) }
    #expect(results[0].choices.count == ranks + 1 && results[0].unmeasured == 0)
  }

  @Test("The largest share of the work is measured first; the rule applies when time is up")
  func budget() throws {
    let order = Mutex<[ProductShape]>([])
    let uses = try [
      Self.use(.plain, 2, 3, 5, calls: 4), Self.use(.packed, 64, 100, 100),
      Self.use(.right, 2, 3, 5, calls: 50),
    ]
    func choose(_ budget: Double) throws -> ProductChoices {
      order.withLock { $0 = [] }
      let tuner = ProductTuner(budget: budget) { use, _ in
        order.withLock { $0.append(use.shape) }
        return (1, 2)
      }
      return try ProductSelection(cache: nil, tuner: tuner).choose(uses, on: SoloCommunicator()).choices
    }
    #expect(try choose(1000).choices.count == 3)
    #expect(order.withLock(\.self) == [uses[1].shape, uses[2].shape, uses[0].shape])
    let none = try choose(0)
    #expect(none.choices.isEmpty && none.unmeasured == 3 && order.withLock(\.self).isEmpty)
    #expect(none.table[uses[0].shape] == nil)
    #expect(none.summary.contains("0 of 3 shapes by our kernels, 0 by OpenBLAS, 3 not measured"))
  }

  @Test("The rule's backend is replaced only by a clearly faster one")
  func margin() throws {
    let shape = try Self.use(.plain, 2, 3, 5).shape
    func chosen(_ kernels: Double, _ blas: Double, _ rule: ProductBackend) -> ProductBackend {
      ProductMeasurement(shape, kernels: kernels, blas: blas, rule: rule).backend
    }
    #expect(chosen(100, 96, .kernels) == .blas && chosen(100, 98, .kernels) == .kernels)
    #expect(chosen(96, 100, .blas) == .kernels && chosen(98, 100, .blas) == .blas)
    #expect(chosen(1, 2, .blas) == .kernels && chosen(2, 1, .kernels) == .blas)
  }

  @Test("Measured times of every form are positive", arguments: ProductForm.allCases)
  func realTimes(form: ProductForm) throws {
    var use = try Self.use(form, 3, 5, 7)
    use.packingsPerCall = 0.5
    let measured = ProductTuner(budget: 0.01).measure([use])
    #expect(measured.map(\.shape) == [use.shape])
    #expect(measured.allSatisfy { $0.kernels > 0 && $0.blas > 0 && $0.kernels.isFinite && $0.blas.isFinite })
  }

  @Test("Every shape that bench measures is distinct")
  func benchmark() {
    let uses = ProductBenchmark.uses
    #expect(uses.count > 2 * ProductBenchmark.shapes.count)
    #expect(Set(uses.map(\.shape)).count == uses.count)
    #expect(Set(uses.map(\.shape.form)) == Set(ProductForm.allCases))
  }

  // MARK: Cache

  private static let machine = ProductCache.Machine(
    processor: "a processor", kernels: "some", blas: "a library", threads: 3)

  private func choose(_ uses: [ProductUse], _ cache: ProductCache, prefersBLAS: Bool = false) throws
    -> (result: ProductSelection.Result, measured: [ProductShape])
  {
    let measured = Mutex<[ProductShape]>([])
    let tuner = ProductTuner(budget: 1000) { use, _ in
      measured.withLock { $0.append(use.shape) }
      return prefersBLAS ? (2, 1) : (1, 2)
    }
    let result = try ProductSelection(cache: cache, tuner: tuner).choose(uses, on: SoloCommunicator())
    return (result, measured.withLock(\.self))
  }

  @Test("Cached shapes aren't measured again, not even by later processes")
  func roundTrip() throws {
    let directory = try TemporaryDirectory()
    func cache() -> ProductCache { ProductCache(directory: directory.file("a/b"), machine: Self.machine) }
    let uses = try ProductForm.allCases.map { try Self.use($0, 4, 5, 6) }
    let first = try choose(Array(uses[..<3]), cache(), prefersBLAS: true)
    #expect(first.measured == uses[..<3].map(\.shape).sorted { $0.description < $1.description })
    #expect(first.result.warnings.isEmpty && first.result.choices.choices.allSatisfy { $0.backend == .blas })
    let second = try choose(uses, cache())
    #expect(Set(second.measured) == Set(uses[3...].map(\.shape)))
    #expect(second.result.warnings.isEmpty)
    for (index, use) in uses.enumerated() {
      #expect(second.result.choices.table[use.shape] == (index < 3 ? .blas : .kernels))
    }
    let third = try choose(uses, cache(), prefersBLAS: true)
    #expect(third.measured.isEmpty && third.result.choices == second.result.choices)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("a/b")).count == 1)
  }

  @Test("Every kind of machine has its own file")
  func machines() throws {
    let directory = try TemporaryDirectory()
    var others = [Self.machine, Self.machine, Self.machine, Self.machine, Self.machine]
    others[1].processor = "another"
    others[2].kernels = "others"
    others[3].blas = "a newer library"
    others[4].threads = 4
    let uses = [try Self.use(.plain, 4, 5, 6)]
    for machine in others {
      let cache = ProductCache(directory: directory.path, machine: machine)
      #expect(try choose(uses, cache).measured.count == 1, "\(machine)")
      #expect(try choose(uses, cache).measured.isEmpty, "\(machine)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 5)
  }

  @Test(
    "A damaged or foreign file is reported, measured again and replaced",
    arguments: ["", "{", "cut", "rows", "negative", "foreign", "format", "directory"])
  func damage(kind: String) throws {
    let directory = try TemporaryDirectory()
    let cache = ProductCache(directory: directory.path, machine: Self.machine)
    let uses = [try Self.use(.plain, 4, 5, 6)]
    _ = try choose(uses, cache, prefersBLAS: true)
    let good = try String(contentsOfFile: cache.path, encoding: .utf8)
    let bad =
      switch kind {
      case "cut": String(good.prefix(good.count / 2))
      case "rows": good.replacingOccurrences(of: "\"rows\" : 4", with: "\"rows\" : 5")
      case "negative": good.replacingOccurrences(of: "\"blas\" : 1", with: "\"blas\" : -1")
      case "foreign": good.replacingOccurrences(of: "a processor", with: "another")
      case "format": good.replacingOccurrences(of: "\"format\" : 1", with: "\"format\" : 2")
      default: kind
      }
    #expect(bad != good)
    if kind == "directory" {
      try FileManager.default.removeItem(atPath: cache.path)
      try FileManager.default.createDirectory(atPath: cache.path, withIntermediateDirectories: false)
    } else {
      try Data(bad.utf8).write(to: URL(fileURLWithPath: cache.path))
    }
    let again = try choose(uses, cache)
    #expect(again.measured == uses.map(\.shape))
    #expect(again.result.choices.table[uses[0].shape] == .kernels)
    #expect(again.result.warnings.first?.contains(cache.path) == true)
    guard kind != "directory" else {
      #expect(again.result.warnings.count == 2, "nor can it be replaced")
      return
    }
    #expect(again.result.warnings.count == 1)
    let last = try choose(uses, cache, prefersBLAS: true)
    #expect(last.measured.isEmpty && last.result.warnings.isEmpty)
  }

  @Test("A cache that can't be written is a warning")
  func unwritable() throws {
    let directory = try TemporaryDirectory()
    // A file in the place of the directory stops even root, unlike permissions.
    let cache = ProductCache(directory: try directory.write("", to: "file") + "/cache", machine: Self.machine)
    let uses = [try Self.use(.plain, 4, 5, 6)]
    for _ in 0..<2 {
      let (result, measured) = try choose(uses, cache, prefersBLAS: true)
      #expect(measured.count == 1 && result.choices.table[uses[0].shape] == .blas)
      #expect(
        result.warnings.contains { $0.contains("could not be saved") && !$0.contains("NSCocoaErrorDomain") })
    }
  }

  @Test("The cache is in the user's cache directory")
  func place() {
    func place(_ environment: [String: String]) -> String? { ProductCache.directory(in: environment) }
    #expect(place(["XDG_CACHE_HOME": "/x", "HOME": "/h"]) == "/x/rnn-dist")
    #expect(place(["XDG_CACHE_HOME": "relative", "HOME": "/h"]) == "/h/.cache/rnn-dist")
    #expect(place(["XDG_CACHE_HOME": "", "HOME": "/h"]) == "/h/.cache/rnn-dist")
    #expect(place(["HOME": ""]) == nil && place([:]) == nil)
  }

  @Test("This machine has a name")
  func thisMachine() {
    let machine = ProductCache.Machine.present
    #expect(!machine.processor.isEmpty && machine.blas.contains("OpenBLAS") && machine.threads >= 1)
    #expect(machine == .present)
  }
}
