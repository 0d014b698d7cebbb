import Foundation

/// Asks the watchdogs of other hosts for the states of their ranks, and answers requests from them, by datagrams (UDP
/// over IPv4).
///
/// The socket works while MPI doesn't, because it shares neither MPI's connections nor its thread. A watchdog answers
/// for all ranks on its host, including stopped ones. It sends no datagrams unless a rank has waited for too long.
final class StatusSocket: @unchecked Sendable {
  /// The network address of a rank's watchdog.
  struct Address: Codable, Equatable {
    var rank: Int
    var host: String
    var port: UInt16
    /// The addresses of its host in dotted decimal notation.
    var hosts: [String]
  }

  private struct Message: Codable {
    /// A number that only the ranks of one job know.
    var token: UInt64
    /// The states in an answer; nil in a request.
    var statuses: [RankStatus]?
  }

  private let descriptor: Int32
  let port: UInt16
  private static let largestMessage = 65_000

  /// Opens a socket on a free port; nil if the system refuses.
  init?() {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else {
      _ = close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    port = UInt16(bigEndian: address.sin_port)
  }

  deinit { _ = close(descriptor) }

  /// The IPv4 addresses of this host, starting with those that other hosts may reach.
  static var ownHosts: [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var found: [String] = []
    var next = first
    while let interface = next?.pointee {
      next = interface.ifa_next
      guard let address = interface.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET),
        interface.ifa_flags & UInt32(IFF_UP) != 0,
        interface.ifa_flags & UInt32(IFF_LOOPBACK) == 0
      else { continue }
      var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
      address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        var number = $0.pointee.sin_addr
        _ = inet_ntop(AF_INET, &number, &text, socklen_t(text.count))
      }
      found.append(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
    // The loopback address is for ranks on this host whose recorders can't be mapped.
    return found + ["127.0.0.1"]
  }

  /// Waits up to `seconds` for messages; answers requests with `own`, and returns the statuses in the answers.
  func receive(for seconds: Double, token: UInt64, own: () -> [RankStatus]) -> [RankStatus] {
    let end = Date().addingTimeInterval(seconds)
    var received: [RankStatus] = []
    var buffer = [UInt8](repeating: 0, count: Self.largestMessage)
    while true {
      let rest = end.timeIntervalSinceNow
      guard rest > 0 else { return received }
      var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&request, 1, Int32(rest * 1000) + 1) > 0 else { continue }
      var sender = sockaddr_in()
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      let count = withUnsafeMutablePointer(to: &sender) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
        }
      }
      guard count > 0, let message = try? JSONDecoder().decode(Message.self, from: Data(buffer[..<count])),
        message.token == token
      else { continue }
      if let statuses = message.statuses {
        received += statuses
      } else {
        for status in own() { send(Message(token: token, statuses: [status]), to: sender) }
      }
    }
  }

  /// Sends a request to a rank, at all addresses of its host.
  func ask(_ address: Address, token: UInt64) {
    for host in address.hosts {
      var destination = sockaddr_in()
      destination.sin_family = sa_family_t(AF_INET)
      destination.sin_port = address.port.bigEndian
      guard inet_pton(AF_INET, host, &destination.sin_addr) == 1 else { continue }
      send(Message(token: token, statuses: nil), to: destination)
    }
  }

  /// A message that can't be sent is dropped, as datagrams may be.
  private func send(_ message: Message, to destination: sockaddr_in) {
    guard let bytes = try? JSONEncoder().encode(message), bytes.count <= Self.largestMessage else { return }
    var destination = destination
    _ = withUnsafePointer(to: &destination) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bytes.withUnsafeBytes {
          sendto(
            descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT), address,
            socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
  }
}
