import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The elements of an SVG image, read by a strict XML parser.
struct ImageElements {
  struct Element {
    var name: String
    var attributes: [String: String]
    /// The text of the element, without that of nested elements.
    var text: String
    /// The names of the enclosing elements, outermost first.
    var parents: [String]

    func number(_ attribute: String) -> Double { attributes[attribute].flatMap(Double.init) ?? .nan }
  }

  let all: [Element]

  init(_ svg: String) throws {
    let reader = Reader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError)) in \(svg)")
    all = reader.finished
  }

  func named(_ name: String) -> [Element] { all.filter { $0.name == name } }

  /// All visible texts, in order.
  var texts: [String] { named("text").map(\.text) }

  private final class Reader: NSObject, XMLParserDelegate {
    var finished: [Element] = []
    /// Indices of the elements that aren't closed yet.
    private var open: [Int] = []

    func parser(
      _ parser: XMLParser, didStartElement elementName: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String] = [:]
    ) {
      let parents = open.map { finished[$0].name }
      open.append(finished.count)
      finished.append(Element(name: elementName, attributes: attributes, text: "", parents: parents))
    }

    func parser(
      _ parser: XMLParser, didEndElement elementName: String, namespaceURI: String?, qualifiedName: String?
    ) { open.removeLast() }

    func parser(_ parser: XMLParser, foundCharacters string: String) {
      if let last = open.last { finished[last].text += string }
    }
  }
}
