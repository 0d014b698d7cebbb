import Dispatch
import Synchronization

/// A queue from the thread that computes to the thread of a connection. Either side can end it.
final class Channel<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    /// The sender sends no more.
    var isFinished = false
    /// The receiver wants no more.
    var isAbandoned = false
  }

  private let state = Mutex(State())
  private let arrivals = DispatchSemaphore(value: 0)

  /// Adds an element; nothing if the receiver has left.
  func send(_ element: Element) {
    state.withLock { if !$0.isAbandoned { $0.elements.append(element) } }
    arrivals.signal()
  }

  /// Tells the receiver that nothing follows.
  func finish() {
    state.withLock { $0.isFinished = true }
    arrivals.signal()
  }

  /// Whether the receiver wants no more.
  var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

  /// Tells the sender that the receiver has left.
  func abandon() { state.withLock { $0.isAbandoned = true } }

  /// All elements that have arrived, waiting for the first; nil after the end, or when `gaveUp` is true, which also
  /// abandons the channel.
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
