import Dispatch
import Foundation
import Inference
import Synchronization
import Tasks

/// A request for the outputs of some lines.
struct LineRequest: Sendable {
  enum Reply: Sendable {
    case outputs([Prediction])
    case refused(HTTPProblem)
  }

  /// The number of the model.
  var model: Int
  var lines: [[UInt8]]
  /// Lines with equal options can be computed together.
  var options: PredictionOptions
  var deadline: ContinuousClock.Instant
  let reply = Channel<Reply>()
}

/// A request for texts.
struct TextRequest: Sendable {
  enum Event: Sendable {
    case piece(text: Int, [UInt8])
    case end(text: Int, End, tokens: Int)
    case refused(HTTPProblem)
  }

  /// The reason why a text has ended.
  enum End: String, Sendable {
    /// The model has written an end token.
    case end
    case length
    /// The time limit of the request has passed.
    case time
  }

  /// The number of the model.
  var model: Int
  var request: SavedModel.WritingRequest
  var deadline: ContinuousClock.Instant
  let events = Channel<Event>()
}

/// The thread that computes with the models of a service. It takes all waiting requests together, in the order of their
/// arrival.
final class InferenceThread: Sendable {
  enum Job: Sendable {
    case lines(LineRequest)
    case texts(TextRequest)
  }

  private struct State {
    var jobs: [Job] = []
    var isStopping = false
  }

  private let state = Mutex(State())
  private let arrivals = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)

  /// Starts the thread. It takes over the models, which must not be used elsewhere from now on.
  init(_ models: [ServedModel], batch: Int, metrics: ServiceMetrics) {
    nonisolated(unsafe) let batcher = Batcher(models, batch: batch, metrics: metrics)
    let thread = Thread { [self] in
      while let jobs = takeJobs(waiting: batcher.isIdle) {
        batcher.take(jobs)
        batcher.step()
      }
      ended.signal()
    }
    // The same size as the stack of a main thread, on which other commands compute.
    thread.stackSize = 8 << 20
    thread.start()
  }

  func add(_ job: Job) {
    state.withLock { $0.jobs.append(job) }
    arrivals.signal()
  }

  /// Waits until all requests are answered, and ends the thread.
  func stop() {
    state.withLock { $0.isStopping = true }
    arrivals.signal()
    ended.wait()
  }

  /// Returns the requests that have arrived, waiting for the first if `waiting`; returns nil at the end.
  private func takeJobs(waiting: Bool) -> [Job]? {
    while true {
      let (jobs, isStopping) = state.withLock { state in
        defer { state.jobs = [] }
        return (state.jobs, state.isStopping)
      }
      if !jobs.isEmpty || !waiting { return jobs }
      if isStopping { return nil }
      arrivals.wait()
    }
  }
}
