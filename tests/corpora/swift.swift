// Routes and how they are found.
import Foundation
@testable import NIOCore

public let defaultLimit = 10

/// A route of an application.
///
/// Routes are values.
public struct Route: Sendable, CustomStringConvertible {
    public let path: [PathComponent]
    private(set) var method: HTTPMethod = .get
    public var description: String { "\(method) \(path.string)" }
    static let root = Route(path: [])

    /// Makes a route.
    public init(path: [PathComponent]) {
        self.path = path
    }

    public func matches(_ request: Request, in app: Application) async throws -> Bool {
        let local = 3
        return path.matches(request.url.path)
    }

    subscript(index: Int) -> PathComponent { path[index] }
}

public protocol Router: AnyObject {
    associatedtype Output
    var routes: [Route] { get }
    func route(_ request: Request) -> Output?
}

open class TrieRouter<Output>: Router, Loggable {
    var root: Node
    lazy var logger = Logger(label: "router")

    init() { root = Node() }
    deinit { root.shutdown() }

    @discardableResult
    public func register(_ output: Output, at path: [String]) -> Self {
        root.insert(path)
        return self
    }

    final class Node {}
}

public enum RouterError: Error {
    case notFound
    case ambiguous(Route, Route)
}

extension Route: Equatable {
    public static func == (lhs: Route, rhs: Route) -> Bool { lhs.path == rhs.path }
}

actor Registry { func add() {} }

typealias Handler = (Request) -> Response

func makeRouter() -> some Router { TrieRouter<Response>() }

final class RouterTests: XCTestCase {
    func testRegister() throws {
        XCTAssertNotNil(TrieRouter<Int>())
    }
}
