import Etcd
import Foundation
import GRPC
import Testing
@testable import ChainfireAPI

/// Plasma's own pages, and the small ones that etcd has too.
struct PagesTests {
    @Test func `the version and the probes answer on both ports, the rest on one`() async throws {
        try await withMember({ $0.metrics = { "plasma_something 1\n" } }) { member in
            for port in [member.port, member.metricsPort] {
                let http = HTTPProbe(port: port)
                let version = try await http.get("/version")
                #expect(version.body == #"{"etcdserver":"3.5.13","etcdcluster":"3.5.0"}"#)
                for path in ["/livez", "/readyz"] {
                    let probe = try await http.get(path)
                    #expect(probe.status == 200 && probe.body == "ok\n", "\(path)")
                }
                let metrics = try await http.get("/metrics")
                #expect(metrics.body.contains("plasma_something 1\n") && metrics.body.contains("\netcd_server_has_leader 1\n") && metrics.body.contains("\nprocess_resident_memory_bytes "))
                let posted = try await http.post("/health", "")
                #expect(posted.status == 405 && posted.headers["allow"] == "GET")
            }
            let hidden = try await HTTPProbe(port: member.metricsPort).post("/v3/kv/range", #"{"key":"YQ=="}"#)
            #expect(hidden.status == 404)
        }
    }

    @Test func `what etcd's dashboards and alerts ask for is there`() async throws {
        let gathered = """
            # TYPE port_grpc_sent_bytes_total counter
            port_grpc_sent_bytes_total{port="client"} 7
            port_grpc_sent_bytes_total{port="metrics"} 8
            # HELP replica_fsync_seconds Syncs.
            # TYPE replica_fsync_seconds histogram
            replica_fsync_seconds_bucket{le="0.001"} 3
            replica_fsync_seconds_bucket{le="+Inf"} 4
            replica_fsync_seconds_sum 0.5
            replica_fsync_seconds_count 4
            # TYPE replica_peer_bytes_sent_total_else counter
            replica_peer_bytes_sent_total_else 1

            """
        #expect(EtcdNames.again(gathered) == """
            # HELP etcd_network_client_grpc_sent_bytes_total Bytes sent to gRPC clients.
            # TYPE etcd_network_client_grpc_sent_bytes_total counter
            etcd_network_client_grpc_sent_bytes_total 7
            # HELP etcd_disk_wal_fsync_duration_seconds How long syncs of the log took.
            # TYPE etcd_disk_wal_fsync_duration_seconds histogram
            etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 3
            etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 4
            etcd_disk_wal_fsync_duration_seconds_sum 0.5
            etcd_disk_wal_fsync_duration_seconds_count 4

            """)
        try await withMember({ $0.metrics = { gathered } }) { member in
            let page = try await member.http.get("/metrics")
            for line in ["etcd_network_client_grpc_sent_bytes_total 7", #"etcd_server_version{server_version="3.5.13"} 1"#, "process_open_fds "] {
                #expect(page.body.contains("\n\(line)"), "\(line)")
            }
            // etcd's alert would divide by it what does not count here.
            #expect(!page.body.contains("etcd_server_quota_backend_bytes") && page.body.contains("\nchainfire_live_bytes "))
        }
    }

    @Test func `keys are put, read, listed and deleted by plain HTTP`() async throws {
        try await withMember { member in
            let http = member.http
            let put = try await http.send(.PUT, "/api/v1/kv/dir/a%2fb%20c", "hello")
            #expect(put.status == 200 && put.body == "{\"revision\":2}\n")
            let got = try await http.get("/api/v1/kv/dir/a%2Fb%20c")
            #expect(got.body == #"{"create_revision":2,"key":"dir/a/b c","lease":0,"mod_revision":2,"revision":2,"value":"hello","version":1}"# + "\n")
            _ = try await http.send(.PUT, "/api/v1/kv/dir/%ff", "x")
            let odd = try await http.get("/api/v1/kv/dir/%ff")
            #expect(odd.body.contains(#""encoding":"base64","key":"ZGlyL/8=""#), "\(odd.body)")
            let list = try await http.get("/api/v1/kv/dir/?prefix=true&limit=1")
            #expect(list.body.contains(#""count":2"#) && list.body.contains(#""more":true"#))
            let missing = try await http.get("/api/v1/kv/nope")
            #expect(missing.status == 404 && missing.body.contains(#"{"error":"there is no key nope"#))
            let bad = try await http.get("/api/v1/kv/%zz")
            #expect(bad.status == 400)
            let lease = try await http.send(.PUT, "/api/v1/kv/x?lease=5", "v")
            #expect(lease.status == 404 && lease.body == "{\"error\":\"etcdserver: requested lease not found\"}\n")
            let gone = try await http.send(.DELETE, "/api/v1/kv/dir/?prefix=true", "")
            #expect(gone.body == "{\"deleted\":2,\"revision\":4}\n")
            let empty = try await http.send(.PUT, "/api/v1/kv/", "v")
            #expect(empty.status == 400)
        }
    }

    @Test func `members are listed, and a new one joins with the token only`() async throws {
        try await withMember({ $0.joinToken = "secret" }) { member in
            let http = member.http
            let id = String(member.store.header.memberID, radix: 16)
            let list = try await http.get("/admin/cluster/members")
            let members = try #require(list.json as? [[String: Any]])
            #expect(members.count == 1 && members[0]["id"] as? String == id && members[0]["leader"] as? Bool == true)
            #expect(members[0]["healthy"] as? Bool == true && members[0]["learner"] as? Bool == false)
            func join(_ token: String, _ urls: String = #"["http://127.0.0.1:9"]"#) async throws -> HTTPProbe.Answer {
                try await http.post("/admin/cluster/join", #"{"name":"two","peer_urls":\#(urls),"client_urls":[],"token":"\#(token)"}"#)
            }
            let wrong = try await join("secre")
            #expect(wrong.status == 403 && wrong.body.contains("the join token is not the one of this cluster"))
            let nonsense = try await join("secret", #"["nonsense"]"#)
            #expect(nonsense.status == 400 && nonsense.body.contains("HOST:PORT"))
            let missing = try await http.post("/admin/cluster/join", #"{"name":"two"}"#)
            #expect(missing.status == 400 && missing.body.contains(#"\"peer_urls\" is missing"#))
            let joined = try await join("secret")
            let ticket = try #require(joined.json as? [String: Any], "\(joined.body)")
            #expect(joined.status == 200 && (ticket["members"] as? [Any])?.count == 2)
            let again = try await join("secret")
            #expect(again.body == joined.body)
            let other = try #require(ticket["member_id"] as? String)
            let removed = try await http.send(.DELETE, "/admin/cluster/members/\(other)", "")
            #expect(removed.status == 200 && (removed.json as? [Any])?.count == 1)
            let unknown = try await http.send(.DELETE, "/admin/cluster/members/\(other)", "")
            #expect(unknown.status == 404, "\(unknown.body)")
        }
    }

    @Test func `the cluster is not changed by a web page, by nonsense, or by taking its last voter away`() async throws {
        try await withMember { member in
            let http = member.http
            let page = try await http.post(
                "/admin/cluster/transfer", #"{"id":"1"}"#, ["origin": "http://evil.example"])
            #expect(page.status == 403)
            let id = try await http.send(.DELETE, "/admin/cluster/members/xyz", "")
            #expect(id.status == 400 && id.body.contains("xyz is no member id"))
            let closed = try await http.post("/admin/cluster/join", #"{"name":"two","peer_urls":["http://a:1"],"token":""}"#)
            #expect(closed.status == 403 && closed.body.contains("without a join token"))
            let last = try await http.send(.DELETE, "/admin/cluster/members/" + String(member.store.header.memberID, radix: 16), "")
            #expect(last.status == 412, "\(last.body)")
            let body = try await http.post("/admin/cluster/transfer", "garbage")
            #expect(body.status == 400)
        }
    }

    @Test func `garbage on the port closes its connection and nothing else`() async throws {
        try await withMember { member in
            for bytes in [[UInt8](repeating: 0, count: 4000), Array("GET / HTTP/9.9\r\n\r\n".utf8), Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense".utf8)] {
                try await member.http.throwBytes(bytes)
            }
            try await member.put("a", "after")
        }
    }
}
