import Communication
import NumericKernels
import Optimizers
import Options

/// How the ranks share the work of an update.
public struct ReductionOptions: Options {
  /// How gradients are summed over the ranks: by a method of `SumMethod`, or by the one that is measured to be the fastest.
  public enum Method: String, OptionChoice {
    case sharedMemory = "shared-memory"
    case messages
    case auto

    /// Nil: it is to be measured. A method of sums has the same name here.
    public var sum: SumMethod? { SumMethod(rawValue: rawValue) }
  }

  public var method = Method.sharedMemory
  /// How gradients are sent between hosts.
  public var wire = WireFormat.fp32
  /// Whether each rank keeps the optimizer's moments for its part of the parameters only.
  public var shardsOptimizer = false
  /// Whether the ranks on a host share one copy of the parameters and of the optimizer's moments.
  public var sharesParameters = false
  /// Steps that each rank makes by itself between two outer updates, which combine the ranks; 1: every step is one of all ranks.
  public var localSteps = 1
  /// The learning rate and the momentum of the outer update: η and μ of `OuterUpdate`.
  public var outerLearningRate = 0.7
  public var outerMomentum = 0.5

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.localSteps, .within(1...100_000))
    checks.bound(\.outerLearningRate, .above(0))
    checks.bound(\.outerMomentum, .from(0, below: 1))
    for key in [\Self.outerLearningRate, \.outerMomentum] {
      checks.read(
        key, if: localSteps > 1, with: \.localSteps,
        otherwise: "is for outer updates after local steps: set \(\.localSteps) above 1")
    }
  }
}

/// How the parameters are trained.
public struct TrainingConfiguration: Options {
  /// How a matrix product is assigned to the kernels or the BLAS.
  public enum Products: String, OptionChoice { case rule, tuned }

  /// The fixed number of parts in which a reproducible step computes and sums its gradients.
  public static let virtualShards = 8

  public var batchSize = 32
  /// The number of tokens per step over all ranks; nil: `batchSize` sequences.
  public var batchTokens: Int?
  public var bucketing = true
  public var bptt = 50
  public var epochs = 10
  public var steps = 0
  public var optimizer = OptimizerSettings()
  public var learningRate = 0.002
  public var schedule = Schedule()
  public var clipNorm = 5.0
  /// The largest absolute value of an element of the mean gradient, clipped before its norm is; 0: no limit.
  public var clipValue = 0.0
  public var reproducible = false
  public var reduction = ReductionOptions()
  /// The number of steps between the states that a language model keeps for the backward pass; 0: it keeps all states.
  public var recompute = 0
  public var precision = ProductPrecision.fp32
  public var products = Products.rule
  public var accumulate = 1
  public var skipLimit = 5
  public var dropLastChunk = false
  public var labelSmoothing = 0.0
  public var teacherForcing = 1.0
  /// The teacher forcing ratio at the end of its schedule; nil: constant.
  public var teacherForcingEnd: Double?
  public var teacherForcingSteps = 0
  public var coverageWeight = 1.0
  /// The decay of the moving average of the weights; 0: no average.
  public var averageDecay = 0.0

  public init() {}

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.include(\.optimizer)
    checks.include(\.schedule)
    checks.include(\.reduction)
    checks.bound(\.batchSize, .within(1...1_000_000))
    checks.bound(\.batchTokens, .within(1...1_000_000_000))
    checks.bound(\.bptt, .within(1...1_000_000))
    checks.bound(\.epochs, .within(0...1_000_000_000_000))
    checks.bound(\.steps, .within(0...1_000_000_000_000))
    checks.bound(\.learningRate, .above(0))
    checks.bound(\.clipNorm, .atLeast(0))
    checks.bound(\.clipValue, .atLeast(0))
    checks.bound(\.recompute, .within(0...1_000_000))
    checks.bound(\.accumulate, .within(1...100_000))
    checks.bound(\.skipLimit, .atLeast(1))
    checks.bound(\.labelSmoothing, .from(0, below: 1))
    checks.bound(\.teacherForcing, .within(0...1))
    checks.bound(\.teacherForcingEnd, .within(0...1))
    checks.bound(\.teacherForcingSteps, .atLeast(0))
    checks.bound(\.coverageWeight, .atLeast(0))
    checks.bound(\.averageDecay, .from(0, below: 1))
    checks.read(
      \.recompute, if: recompute < bptt, with: \.bptt,
      otherwise: """
        keeps the states of every \(recompute)th step and computes those between again, but a chunk has \
        \(bptt) (\(\.bptt)): choose a smaller one, or 0 to keep all
        """)
    checks.read(
      \.teacherForcingSteps, if: teacherForcingEnd != nil, with: \.teacherForcingEnd,
      otherwise: "goes with \(\.teacherForcingEnd)")
    checkLength(&checks)
    checkProducts(&checks)
    checkReduction(&checks)
  }

  private func checkLength(_ checks: inout OptionChecks<Self>) {
    if epochs == 0, steps == 0 {
      checks.refuse(
        \.epochs, with: \.steps, because: "the run would never end: set it or \(\.steps) above 0")
    }
    if steps > 0, schedule.warmupSteps >= steps {
      checks.refuse(
        \.schedule.warmupSteps, with: \.steps,
        because: "must be below \(\.steps) (\(steps)), or the warm-up never ends")
    }
  }

  private func checkReduction(_ checks: inout OptionChecks<Self>) {
    if reproducible, reduction.wire == .bf16 {
      checks.refuse(
        \.reduction.wire, with: \.reproducible,
        because: "bf16 rounds once per rank, so that the bits depend on their number: leave it at fp32")
    }
    if reduction.localSteps > 1 {
      if reproducible {
        checks.refuse(
          \.reduction.localSteps, with: \.reproducible,
          because:
            "the ranks have different parameters between two outer updates, so that the bits depend on their number: set it to 1"
        )
      }
      if reduction.shardsOptimizer {
        checks.refuse(
          \.reduction.localSteps, with: \.reduction.shardsOptimizer,
          because:
            "a rank needs all moments for steps of its own: set it to 1, or \(\.reduction.shardsOptimizer) to false"
        )
      }
      if reduction.sharesParameters {
        checks.refuse(
          \.reduction.localSteps, with: \.reduction.sharesParameters,
          because:
            "the ranks have different parameters between two outer updates: set it to 1, or \(\.reduction.sharesParameters) to false"
        )
      }
      if averageDecay > 0 {
        checks.refuse(
          \.reduction.localSteps, with: \.averageDecay,
          because: "the average of the weights follows every step of all ranks together: set it to 1")
      }
    }
    if reduction.sharesParameters {
      if reduction.shardsOptimizer {
        checks.refuse(
          \.reduction.sharesParameters, with: \.reduction.shardsOptimizer,
          because:
            "both divide the moments, among the ranks of each host or among all: set one of them to false")
      }
      if averageDecay > 0 {
        checks.refuse(
          \.reduction.sharesParameters, with: \.averageDecay,
          because: "each rank replaces the parameters by their average for an evaluation: set it to false")
      }
    }
    if reduction.shardsOptimizer, optimizer.kind.momentNames.isEmpty {
      checks.refuse(
        \.reduction.shardsOptimizer, with: \.optimizer.kind,
        because: "\(optimizer.kind.rawValue) has no moments to divide among the ranks: set it to false")
    }
  }

  private func checkProducts(_ checks: inout OptionChecks<Self>) {
    let shards = Self.virtualShards
    if reproducible, batchSize < shards {
      checks.refuse(
        \.reproducible, with: \.batchSize,
        because: """
          sums \(shards) fixed parts of the batch, so \(\.batchSize) must be at least \(shards), not \(batchSize)
          """)
    }
    if precision == .int8 {
      checks.refuse(
        \.precision,
        because: "int8 is for models that are trained: use --precision int8 of predict, generate or evaluate")
    }
    guard products == .tuned else { return }
    if reproducible {
      checks.refuse(
        \.products, with: \.reproducible,
        because: """
          tuned depends on a measurement, which may differ at another time or number of ranks: set \
          \(\.reproducible) to false
          """)
    } else if precision == .bf16 {
      checks.refuse(
        \.products, with: \.precision,
        because: "tuned chooses between kernels and OpenBLAS, which has no products in bf16: leave it at rule"
      )
    }
  }
}

extension ProductPrecision: OptionChoice {}
extension WireFormat: OptionChoice {}
