import Foundation
import Manifest
import Resource
import Testing

@testable import API

struct BadRequestTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var method = "GET"
        var path: String
        var body: String?
        var type: String? = "application/json"
        var code: Int
        var message: String

        var testDescription: String { "\(method) \(path) \(body ?? "")" }
    }

    private static let base = Paths.base
    private static let object = #""apiVersion":"plasma.cloud/v1alpha1","kind":"Widget","metadata":{"name":"a"}"#

    static let cases: [Case] = [
        Case(path: "/nothing", code: 404, message: "the path /nothing is not served; GET /apis/plasma.cloud/v1alpha1 lists what is"),
        Case(path: "\(base)/widgts", code: 404, message: #"the path \#(base)/widgts is not served: there is no kind "widgts"; did you mean "widgets"?"#),
        Case(path: "\(base)/widgets/a/b", code: 404, message: "the path \(base)/widgets/a/b is not served; GET \(base) lists what is"),
        Case(method: "POST", path: "\(base)/widgets/a", body: "{}", code: 405, message: "POST is not possible on \(base)/widgets/a"),
        Case(path: "\(base)/apply", code: 405, message: "GET is not possible on \(base)/apply"),
        Case(path: "\(base)/widgets?lableSelector=a", code: 400, message: #"unknown query parameter "lableSelector"; did you mean "labelSelector"?"#),
        Case(path: "\(base)/widgets/a?foo=1", code: 400, message: #"unknown query parameter "foo"; known here: resourceVersion"#),
        Case(path: "\(base)/widgets?labelSelector=a%3D%3D%3Db", code: 400, message: #"selector "a===b": "a===b" is not a requirement; write key=value, key!=value, key in (a,b), key notin (a,b), key or !key"#),
        Case(path: "\(base)/widgets?fieldSelector=spec.size%3D1", code: 400, message: #"fieldSelector "spec.size=1" is not known; write metadata.name=…"#),
        Case(path: "\(base)/widgets?limit=-1", code: 400, message: #"query parameter limit: "-1" is not a number from 0 to 2147483647"#),
        Case(path: "\(base)/widgets?limit=1&limit=2", code: 400, message: #"query parameter "limit" is given twice"#),
        Case(path: "\(base)/widgets?watch=maybe", code: 400, message: #"query parameter watch: "maybe" is neither true nor false"#),
        Case(path: "\(base)/widgets?continue=xyz", code: 400, message: "the continue token is not one that this list gave"),
        Case(method: "POST", path: "\(base)/widgets?dryRun=true", body: "{}", code: 400, message: #"query parameter dryRun: "true" is not "All""#),
        Case(method: "POST", path: "\(base)/widgets", body: "x", type: "text/html", code: 415, message: #"the content type "text/html" is not accepted here; send application/json or application/yaml"#),
        Case(method: "PATCH", path: "\(base)/widgets/a", body: "[]", type: "application/json-patch+json", code: 415, message: #"the content type "application/json-patch+json" is not accepted here; send application/merge-patch+json or application/apply-patch+yaml"#),
        Case(method: "POST", path: "\(base)/widgets", body: "{\(object),\n \"spec\": }", code: 400, message: "the body is not JSON: 2:10: "),
        Case(method: "POST", path: "\(base)/widgets", body: "", code: 400, message: "the body is empty; JSON is expected"),
        Case(method: "POST", path: "\(base)/gadgets", body: "{\(object),\"spec\":{\"size\":1}}", code: 400, message: "the body is a Widget, but the path is that of gadgets"),
        Case(method: "PUT", path: "\(base)/widgets/b", body: "{\(object),\"spec\":{\"size\":1}}", code: 400, message: "the body names Widget/a, but the path names Widget/b"),
        Case(method: "POST", path: "\(base)/apply", body: "{\"files\":1}", code: 400, message: #"the body must read {"files":[{"name":"lab.yaml","content":"…"}]}: "#),
        Case(method: "POST", path: "\(base)/apply", body: "{}", code: 400, message: #"the body has no "files""#),
        Case(path: "\(base)/widgets/a/log", code: 404, message: "Widget/a is not there"),
    ]

    @Test(arguments: cases) func `a bad request is told what is wrong with it`(_ bad: Case) async throws {
        try await withServer { server in
            let answer = try await server.call(bad.method, bad.path, bad.body, type: bad.type)
            #expect(answer.code == bad.code)
            #expect(bad.message.hasSuffix(": ") ? answer.message.hasPrefix(bad.message) : answer.message == bad.message, "\(answer.message)")
            #expect(answer.json["kind"] == "Status")
            #expect(answer.json["code"]?.integer == Int64(bad.code))
        }
    }

    @Test func `a path with a broken percent-encoding is refused`() {
        #expect(throws: Refusal.badRequest("the path \(Paths.base)/widgets/%zz has a broken percent-encoding")) {
            try Route(Paths.base + "/widgets/%zz", testKinds)
        }
    }

    @Test func `a body above 16 MiB is refused with words`() async throws {
        try await withServer { server in
            let huge = String(repeating: "x", count: (16 << 20) + 1)
            let answer = try await server.call("POST", "\(Paths.base)/widgets", huge)
            #expect(answer.code == 413)
            #expect(answer.message == "the body may have 16 MiB; 16777217 bytes are more. Split the manifest")
        }
    }

    @Test func `a spec that may not be is 422 with every problem as a cause`() async throws {
        try await withServer { server in
            let body = "{\(Self.object),\"spec\":{\"size\":1000,\"colour\":\"red\"}}"
            let answer = try await server.call("POST", "\(Paths.base)/widgets", body)
            #expect(answer.code == 422)
            #expect(answer.json["reason"] == "Invalid")
            let causes = answer.json.at("details.causes")?.array ?? []
            #expect(causes.compactMap { $0["field"]?.string }.sorted() == ["spec.colour", "spec.size"])
        }
    }
}
