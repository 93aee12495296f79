import Foundation

struct Options {
    static let rowNames = ["put", "range", "txn", "watch", "fanout", "memory", "failover", "restart"]
    static let usage = """
        hack/bench/run chainfire [ROW…] [--nodes 1,3] [--rounds N] [--seconds N] [--clients 1,100,1000] [--gigabytes X]
                                 [--dir FOLDER] [--json FILE] [--only etcd|chainfire] [--etcd PATH]

        Measures Chainfire and Debian's etcd side by side: both run on loopback with data on the same disk, the same
        load generator drives them over gRPC by turns, and each row gives the ratio of the medians.

          put       256-byte values under 10,000 keys; closed loop with 1, 100 and 1,000 clients;
                    on three nodes the one client is at the leader, then at a follower
          range     one key of those: linearizable and serializable, 100 and 1,000 clients
          txn       compare a key's revision, then put it and read another, 100 clients
          watch     from a put to its event at one watcher, at 200 puts a second, open loop
          fanout    from a put to its event at the last of 1,000 watchers on ten streams
          memory    resident memory of a node after the rows before
          failover  the leader is killed with SIGKILL: until the first acknowledged write, open loop (three nodes)
          restart   from start to the first answered read, with a store of --gigabytes (one node)

          --rounds N     measurements of each figure and product, by turns (3)
          --seconds N    of each measurement in put, range and txn (5)
          --gigabytes X  of values in restart (1)
        """

    var rows: [String] = []
    var nodes = [1, 3]
    var rounds = 3
    var seconds = 5.0
    var clients = [1, 100, 1000]
    var gigabytes = 1.0
    var products = Product.allCases
    var etcd = "/usr/bin/etcd"
    var directory = FileManager.default.currentDirectoryPath + "/data"
    var json: String?

    init(_ arguments: [String]) throws {
        var rest = arguments[...]
        func word(_ name: String) throws -> String {
            guard let text = rest.popFirst() else { throw BenchFailure("\(name) wants a value") }
            return text
        }
        func number(_ name: String) throws -> Double {
            let text = try word(name)
            guard let number = Double(text), number > 0 else { throw BenchFailure("\(name) \"\(text)\" is not a number above 0") }
            return number
        }
        func list(_ name: String) throws -> [Int] {
            let text = try word(name)
            let numbers = text.split(separator: ",").compactMap { Int($0) }
            guard !numbers.isEmpty, numbers.allSatisfy({ $0 > 0 }) else { throw BenchFailure("\(name) \"\(text)\" is not a list as 1,3") }
            return numbers
        }
        while let argument = rest.popFirst() {
            switch argument {
            case "--nodes": nodes = try list(argument)
            case "--clients": clients = try list(argument)
            case "--rounds": rounds = Int(try number(argument))
            case "--seconds": seconds = try number(argument)
            case "--gigabytes": gigabytes = try number(argument)
            case "--etcd": etcd = try word(argument)
            case "--dir": directory = try word(argument)
            case "--json": json = try word(argument)
            case "--only":
                let text = try word(argument)
                guard let product = Product(rawValue: text) else { throw BenchFailure("--only \"\(text)\" is not etcd or chainfire") }
                products = [product]
            case _ where Self.rowNames.contains(argument): rows.append(argument)
            default: throw BenchFailure("\"\(argument)\" is not known; rows are \(Self.rowNames.joined(separator: ", "))")
            }
        }
        if rows.isEmpty { rows = Self.rowNames }
    }
}
