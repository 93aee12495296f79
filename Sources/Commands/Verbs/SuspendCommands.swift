import API
import ArgumentParser
import Foundation
import Resource

struct SuspendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend",
        abstract: "Leaves objects alone: looks at them, but performs nothing.",
        discussion: """
            A suspended object is still observed, its status is still true and diff still sees it; but nothing is \
            done to the world on its behalf until it is resumed. Deleting it waits too. What it is made of goes on: of a \
            suspended node the machine is still kept running; suspend that (vm/NAME), too.

            EXAMPLES
              plasma suspend node/node01
              plasma suspend vm web db

            EXIT CODES
              0  suspended
              1  an object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("KIND/NAME… or KIND NAME….", valueName: "object")) var objects: [String] = []
    @OptionGroup var connection: ConnectionOptions

    func run() async throws { try await annotate(objects, [Annotation.suspended: "true"], "suspended", connection) }
}

struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Takes suspended objects up again.",
        discussion: """
            EXAMPLES
              plasma resume node/node01

            EXIT CODES
              0  resumed
              1  an object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("KIND/NAME… or KIND NAME….", valueName: "object")) var objects: [String] = []
    @OptionGroup var connection: ConnectionOptions

    func run() async throws { try await annotate(objects, [Annotation.suspended: nil], "resumed", connection) }
}

struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile",
        abstract: "Asks for a look at objects right now, without waiting for the next try.",
        discussion: """
            EXAMPLES
              plasma reconcile node/node01
              plasma reconcile disk/node01-vda && plasma wait disk/node01-vda

            EXIT CODES
              0  asked for
              1  an object is not there, or the server was not reached
            """)

    @Argument(help: ArgumentHelp("KIND/NAME… or KIND NAME….", valueName: "object")) var objects: [String] = []
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let now = Date().formatted(.iso8601.time(includingFractionalSeconds: true))
        try await annotate(objects, [Annotation.requestedAt: now], "asked for a look", connection)
    }
}

private func annotate(
    _ objects: [String], _ annotations: [String: String?], _ done: String, _ connection: ConnectionOptions
) async throws {
    let named = try Selection.parseNamed(objects, kinds: kinds)
    try await connection.withClient { client in
        for (kind, name) in named {
            let object = try await client.patchAnnotations(kind, name, annotations)
            Output.write("\(slug(object.reference)) \(done)\n")
        }
    }
}
