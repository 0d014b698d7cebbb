import Dispatch
import Synchronization

/// A queue from the inference thread to the thread of a connection. Either side can end it.
final class Channel<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    /// Whether the sender has finished.
    var isFinished = false
    /// Whether the receiver has abandoned the channel.
    var isAbandoned = false
  }

  private let state = Mutex(State())
  private let arrivals = DispatchSemaphore(value: 0)

  /// Adds an element. Does nothing if the receiver has abandoned the channel.
  func send(_ element: Element) {
    state.withLock { if !$0.isAbandoned { $0.elements.append(element) } }
    arrivals.signal()
  }

  /// Tells the receiver that no more elements follow.
  func finish() {
    state.withLock { $0.isFinished = true }
    arrivals.signal()
  }

  /// Whether the receiver has abandoned the channel.
  var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

  /// Tells the sender that the receiver has left.
  func abandon() { state.withLock { $0.isAbandoned = true } }

  /// Waits for an element and returns all that have arrived. Returns nil after the end, or if `gaveUp` returns true,
  /// which also abandons the channel.
  func receive(unless gaveUp: () -> Bool) -> [Element]? {
    while true {
      let (elements, isFinished) = state.withLock { state in
        defer { state.elements = [] }
        return (state.elements, state.isFinished)
      }
      if !elements.isEmpty { return elements }
      if isFinished { return nil }
      if gaveUp() {
        abandon()
        return nil
      }
      _ = arrivals.wait(timeout: .now() + .milliseconds(100))
    }
  }
}
