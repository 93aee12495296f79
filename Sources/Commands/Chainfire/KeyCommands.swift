import ArgumentParser
import Etcd
import Foundation
import GRPC
import Manifest

/// Which keys: one, or all that begin with it.
struct KeySelection: ParsableArguments {
    @Argument(help: "The key.") var key: String
    @Flag(help: "All keys that begin with it.") var prefix = false

    /// etcd's range end; an empty prefix is all keys (`rpc.proto`, RangeRequest).
    var end: Data {
        guard prefix else { return Data() }
        var bytes = Array(key.utf8)
        while let last = bytes.popLast() {
            if last < 0xff { return Data(bytes + [last + 1]) }
        }
        return Data([0])
    }

    var start: Data { prefix && key.isEmpty ? Data([0]) : Data(key.utf8) }
}

struct GetKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Prints the values of keys.",
        discussion: """
            EXAMPLES
              plasma chainfire get /a
              plasma chainfire get --prefix / -o json

            In json and yaml, a key or value that is no UTF-8 is in base64, and so is the other, and "encoding" says so.

            EXIT CODES
              0  found    1  there is no such key, or nobody could be reached
            """)
    @OptionGroup var keys: KeySelection
    @Option(help: ArgumentHelp("As it was at this revision.", valueName: "number")) var revision: Int64 = 0
    @OptionGroup var endpoints: EndpointOptions
    @OptionGroup var output: PlainOutputOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        try Words.check()
        var request = Etcdserverpb_RangeRequest()
        request.key = keys.start
        request.rangeEnd = keys.end
        request.revision = revision
        let answer = try await (try endpoints.client()).ask(Calls.range, request, repeats: true)
        let items = answer.kvs.map { item -> JSON in
            var members: [String: JSON] = [
                "createRevision": .integer(item.createRevision), "modRevision": .integer(item.modRevision), "version": .integer(item.version),
                "lease": .string(hex(UInt64(bitPattern: item.lease))),
            ]
            if let key = String(validating: item.key, as: UTF8.self), let value = String(validating: item.value, as: UTF8.self) {
                (members["key"], members["value"]) = (.string(key), .string(value))
            } else {
                // As the pages below /api/v1/kv do it: nothing is lost.
                (members["key"], members["value"]) = (.string(item.key.base64EncodedString()), .string(item.value.base64EncodedString()))
                members["encoding"] = .string("base64")
            }
            return .object(members)
        }
        output.write(["revision": .integer(answer.header.revision), "keys": .array(items)]) {
            answer.kvs.map { "\(printable(String(decoding: $0.key, as: UTF8.self)))\t\(printable(String(decoding: $0.value, as: UTF8.self)))" }
                .joined(separator: "\n")
        }
        if answer.kvs.isEmpty, !keys.prefix { throw Failure("there is no key \"\(keys.key)\"") }
    }
}

struct PutKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "put", abstract: "Sets a key.",
        discussion: """
            EXAMPLES
              plasma chainfire put /a hello
              plasma chainfire put /a < file

            EXIT CODES
              0  durable on a majority    1  refused, or not known: the message says which
            """)
    @Argument(help: "The key.") var key: String
    @Argument(help: "The value; without it, all of the standard input.") var value: String?
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        var request = Etcdserverpb_PutRequest()
        try Words.check()
        request.key = Data(key.utf8)
        request.value = try value.map { Data($0.utf8) } ?? FileHandle.standardInput.readToEnd() ?? Data()
        let answer = try await (try endpoints.client()).ask(Calls.put, request)
        Output.write("revision \(answer.header.revision)\n")
    }
}

struct DeleteKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "del", abstract: "Deletes keys.",
        discussion: """
            EXAMPLES
              plasma chainfire del --prefix /old/

            EXIT CODES
              0  gone, also when there was none    1  refused, or not known: the message says which
            """)
    @OptionGroup var keys: KeySelection
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        try Words.check()
        var request = Etcdserverpb_DeleteRangeRequest()
        request.key = keys.start
        request.rangeEnd = keys.end
        let answer = try await (try endpoints.client()).ask(Calls.delete, request)
        Output.write("\(answer.deleted) deleted\n")
    }
}

struct WatchKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Follows the changes of keys until Ctrl-C.",
        discussion: """
            One line a change: revision, PUT or DELETE, key, value. When a member goes away it goes on at another, and misses nothing.

            EXAMPLES
              plasma chainfire watch --prefix / --revision 1

            EXIT CODES
              1  refused, or nobody can be reached    130  Ctrl-C
            """)
    @OptionGroup var keys: KeySelection
    @Option(help: ArgumentHelp("From this revision on; 0 from now.", valueName: "number")) var revision: Int64 = 0
    @OptionGroup var endpoints: EndpointOptions

    func run() async throws {
        Interrupt.endsTheProcess()
        try Words.check()
        try await Output.following { try await followAll() }
    }

    private func followAll() async throws {
        var cluster = try endpoints.client()
        var next = revision
        while true {
            let (client, place) = try await cluster.connect()
            // The one in use may be cut off from the others, and answer all the same.
            cluster.endpoints = Array(cluster.endpoints[(place + 1)...] + cluster.endpoints[...place])
            do throws(GRPCStatus) {
                try await follow(client, &next)
                await client.close()
                Output.complain("plasma: the member has ended the watch; it goes on at another")
            } catch {
                await client.close()
                guard error.code == .unavailable else { throw Failure("the watch was ended: \(error.message)") }
                Output.complain("plasma: the watch broke (\(error.message)); it goes on at another member")
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    /// - Parameter next: the revision to go on from; 0: now.
    private func follow(_ client: GRPCClient, _ next: inout Int64) async throws(GRPCStatus) {
        let stream = client.stream(
            "/etcdserverpb.Watch/Watch", metadata: [("hasleader", "true")], sending: Etcdserverpb_WatchRequest.self,
            receiving: Etcdserverpb_WatchResponse.self)
        var create = Etcdserverpb_WatchCreateRequest()
        create.key = keys.start
        create.rangeEnd = keys.end
        create.startRevision = next
        var request = Etcdserverpb_WatchRequest()
        request.createRequest = create
        try await stream.send(request)
        while let answer = try await stream.next() {
            if answer.canceled {
                let why = answer.cancelReason.isEmpty ? "revision \(next) was compacted (\(answer.compactRevision) is the oldest)" : answer.cancelReason
                throw GRPCStatus(.aborted, why)
            }
            if next == 0 { next = answer.header.revision &+ 1 }
            for event in answer.events {
                // There may be more of this revision to come.
                next = answer.fragment ? event.kv.modRevision : event.kv.modRevision &+ 1
                let kind = event.type == .delete ? "DELETE" : "PUT"
                Output.write("\(event.kv.modRevision)\t\(kind)\t\(printable(String(decoding: event.kv.key, as: UTF8.self)))\t\(printable(String(decoding: event.kv.value, as: UTF8.self)))\n")
            }
        }
    }
}

/// The words of the command line.
private enum Words {
    /// What is no text became another one before it came to its option: another key.
    /// - Throws: `Failure` naming the word.
    static func check() throws {
        for case let word? in UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc)) where String(validatingCString: word) == nil {
            throw Failure(
                "a word of the command line is not UTF-8 (\(String(cString: word).debugDescription)); give such a value to put on the standard input, and such a key to etcdctl or to the pages below /v3/kv"
            )
        }
    }
}
