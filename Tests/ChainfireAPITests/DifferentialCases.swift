/// A path and a JSON body in each line; the order matters, because they build on each other. `Zm9v` is foo, `YQ==` a,
/// `Yg==` b, `Yw==` c, `AA==` the zero byte.
let gatewayCases = """
    /v3/kv/range {}
    /v3/kv/range
    /v3/kv/range {"key":"Zm9v"}
    /v3/kv/put {"key":"Zm9v","value":"YmFy"}
    /v3beta/kv/put {"key":"Zm9v","value":"YmF6","prev_kv":true}
    /v3/kv/put {"value":"YmFy"}
    /v3/kv/put {"key":"Zm9v","value":"YmFy","ignore_value":true}
    /v3/kv/put {"key":"Zm9v","lease":"5","ignore_lease":true}
    /v3/kv/put {"key":"Zm9v","lease":"5"}
    /v3/kv/put {"key":"bm9wZQ==","ignore_value":true}
    /v3/kv/put {"key":"Zm9v","ignore_value":true,"prev_kv":true}
    /v3/kv/put {"key":"Zm9v","value":"cXV4","ignore_lease":true,"prevKv":true}
    /v3/kv/range {"key":"Zm9v","unknown_field":{"a":[1,"}"]}}
    /v3/kv/range {"key":"Zm9v","revision":"3"}
    /v3/kv/range {"key":"Zm9v","revision":99}
    /v3/kv/range {"key":"Zm9v","revision":"-1"}
    /v3/kv/put {"key":"YQ==","value":"MQ=="}
    /v3/kv/put {"key":"Yg==","value":"Mg=="}
    /v3/kv/put {"key":"Yw==","value":"MQ=="}
    /v3/kv/range {"key":"AA==","range_end":"AA=="}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","limit":"2"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","limit":"2","sort_order":"DESCEND","sort_target":"KEY"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","limit":"4","sort_order":"DESCEND"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","sort_target":"VALUE"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","sort_order":1,"sort_target":3}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","count_only":true}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","keys_only":true,"limit":"1"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","min_mod_revision":"7","limit":"1"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","max_mod_revision":"7"}
    /v3/kv/range {"key":"YQ==","range_end":"AA==","min_create_revision":"7","max_create_revision":"7"}
    /v3/kv/range {"key":"Yg==","range_end":"YQ=="}
    /v3/kv/range {"key":"YQ==","serializable":true}
    /v3/kv/range {"key":"YQ\\u003d\\u003D","range_end":"\\u0041A=="}
    /v3/kv/put {"key":"aGVsbG8\\u003d","value":"YWFh\\r\\nYWFh\\n"}
    /v3/kv/range {"key":"aGVs\\nbG8="}
    /v3/kv/deleterange {"key":"aGVsbG8=","prev_kv":true}
    /v3/kv/range null
    /v3/kv/put  null 
    /v3/kv/txn {"success":[{"request_range":{"key":"YQ==","serializable":true}}]}
    /v3/maintenance/alarm {"action":"DEACTIVATE","alarm":"NOSPACE"}
    /v3/maintenance/alarm {"action":"ACTIVATE","alarm":"CORRUPT"}
    /v3/maintenance/alarm {}
    /v3/maintenance/alarm {"alarm":"NOSPACE"}
    /v3/kv/put {"key":"YQ==","value":"MQ=="}
    /v3/kv/range {"key":"YQ=="}
    /v3/kv/deleterange {"key":"YQ=="}
    /v3/kv/txn {"success":[{"request_range":{"key":"YQ=="}}]}
    /v3/kv/txn {"success":[{"request_put":{"key":"YQ==","value":"MQ=="}}]}
    /v3/kv/compaction {"revision":"1"}
    /v3/lease/grant {"TTL":"100","ID":"4242"}
    /v3/lease/revoke {"ID":"4242"}
    /v3/maintenance/alarm {"action":"DEACTIVATE","alarm":"CORRUPT"}
    /v3/maintenance/alarm {}
    /v3/kv/put {"key":"YQ==","value":"MQ=="}
    /v3/kv/deleterange {}
    /v3/kv/deleterange {"key":"bm9wZQ=="}
    /v3/kv/deleterange {"key":"Yg==","range_end":"YQ=="}
    /v3/kv/deleterange {"key":"Yg==","range_end":"Yw==","prev_kv":true}
    /v3/kv/txn {}
    /v3/kv/txn {"success":[{}]}
    /v3/kv/txn {"success":[{"request_put":{}}]}
    /v3/kv/txn {"compare":[{}]}
    /v3/kv/txn {"success":[{"request_put":{"key":"YQ=="}},{"request_put":{"key":"YQ=="}}]}
    /v3/kv/txn {"success":[{"request_put":{"key":"YQ=="}},{"request_delete_range":{"key":"YQ==","range_end":"Yg=="}}]}
    /v3/kv/txn {"compare":[{"key":"YQ==","target":"VALUE","value":"MQ=="}],"success":[{"request_range":{"key":"YQ=="}}]}
    /v3/kv/txn {"compare":[{"key":"YQ==","target":"VALUE","result":"GREATER","value":"MQ=="}],"failure":[{"request_put":{"key":"ZA==","value":"NA=="}},{"request_range":{"key":"YQ==","range_end":"AA=="}},{"request_delete_range":{"key":"ZA==","prev_kv":true}}]}
    /v3/kv/txn {"success":[{"request_range":{"key":"YQ=="}},{"request_put":{"key":"ZA==","prev_kv":true}},{"request_range":{"key":"ZA=="}},{"request_delete_range":{"key":"eA=="}}]}
    /v3/kv/txn {"success":[{"request_txn":{"compare":[{"key":"ZA==","target":"CREATE","create_revision":"0"}],"success":[{"request_put":{"key":"ZQ=="}}],"failure":[{"request_range":{"key":"ZA=="}}]}},{"request_delete_range":{"key":"ZA==","range_end":"ZQ=="}}]}
    /v3/kv/txn {"compare":[{"key":"YQ==","range_end":"AA==","target":"VERSION","result":"GREATER","version":"0"}],"success":[{"request_range":{"key":"YQ==","count_only":true}}]}
    /v3/kv/txn {"compare":[{"key":"eA==","range_end":"AA==","target":"VALUE","result":"NOT_EQUAL","value":"MQ=="}]}
    /v3/kv/txn {"success":[{"request_range":{"key":"YQ==","revision":"99"}}]}
    /v3/kv/compaction {"revision":"99"}
    /v3/kv/compaction {"revision":"5"}
    /v3/kv/compaction {"revision":"5","physical":true}
    /v3/kv/range {"key":"Zm9v","revision":"4"}
    /v3/kv/range {"key":"Zm9v","revision":"5"}
    /v3/kv/txn {"success":[{"request_put":{"key":"YQ=="}},{"request_range":{"key":"YQ==","revision":"2"}}]}
    /v3/lease/grant {"ID":"77","TTL":"100"}
    /v3/lease/grant {"ID":"77","TTL":"100"}
    /v3/lease/grant {"ID":"78","TTL":"9000000001"}
    /v3/lease/leases {}
    /v3/kv/lease/leases {}
    /v3/kv/put {"key":"bA==","value":"MQ==","lease":"77"}
    /v3/kv/range {"key":"bA=="}
    /v3/kv/put {"key":"bA==","ignore_lease":true}
    /v3/lease/timetolive {"ID":"5"}
    /v3/lease/revoke {"ID":"5"}
    /v3/kv/lease/revoke {"ID":"77"}
    /v3/kv/range {"key":"bA=="}
    /v3/lease/leases {}
    /v3/auth/disable {}
    /v3/auth/authenticate {}
    /v3/auth/user/list {}
    /v3/auth/user/add {}
    /v3/auth/user/get {"name":"x"}
    /v3/auth/user/delete {"name":"x"}
    /v3/auth/user/changepw {"name":"x","password":"y"}
    /v3/auth/user/grant {"user":"x","role":"y"}
    /v3/auth/user/revoke {"name":"x","role":"y"}
    /v3/auth/role/list {}
    /v3/auth/role/add {}
    /v3/auth/role/get {"role":"x"}
    /v3/auth/role/delete {"role":"x"}
    /v3/auth/role/grant {"name":"x","perm":{"key":"YQ=="}}
    /v3/auth/role/revoke {"role":"x","key":"YQ=="}
    /v3/lock/lock {"name":"YQ==","lease":"999"}
    /v3/lock/unlock {"key":"bm9wZQ=="}
    /v3/lock/unlock {}
    /v3/lease/grant {"ID":"88","TTL":"100"}
    /v3/lock/lock {"name":"bG9jaw==","lease":"88"}
    /v3/lock/lock {"name":"bG9jaw==","lease":"88"}
    /v3/lock/unlock {"key":"bG9jay81OA=="}
    /v3/election/leader {"name":"ZWw="}
    /v3/election/campaign {"name":"ZWw=","lease":"88","value":"MQ=="}
    /v3/election/leader {"name":"ZWw="}
    /v3/election/campaign {"name":"ZWw=","lease":"88","value":"Mg=="}
    /v3/election/proclaim {}
    /v3/election/proclaim {"leader":{"name":"ZWw=","key":"ZWwvNTg=","rev":"1","lease":"88"}}
    /v3/election/resign {}
    /v3/election/resign {"leader":{"name":"ZWw=","key":"ZWwvNTg=","rev":"1","lease":"88"}}
    /v3/maintenance/defragment {}
    /v3/maintenance/transfer-leadership {"targetID":"5"}
    /v3/cluster/member/remove {"ID":"5"}
    /v3/cluster/member/add {"peerURLs":["nonsense"]}
    /v3/cluster/member/add {}
    /v3/cluster/member/promote {"ID":"5"}
    """.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.map(String.init)

let malformedCases = """
    /v3/kv/range garbage
    /v3/kv/range {"key":5}
    /v3/kv/range {"key":"*"}
    /v3/kv/range {"key":"YQ==","sort_order":"NOPE"}
    /v3/kv/put {"key":"YQ==","lease":"x"}
    /v3/kv/put {"key":
    /v3/watch garbage
    /v3/lease/keepalive garbage
    """.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.map(String.init)

/// Path, body, and how many lines are waited for; nil waits for the end.
let streamCases: [(String, String, Int?)] = [
    ("/v3/lease/keepalive", #"{"ID":"5"}"#, nil),
    ("/v3/lease/keepalive", #"{"ID":"5"}{"ID":"88"}"#, nil),
    ("/v3/lease/keepalive", #"{"ID":"5"} garbage"#, nil),
    ("/v3/watch", #"{"create_request":{"key":"YQ=="}}"#, 1),
    (
        "/v3/watch",
        #"{"create_request":{"key":"eA=="}} {"create_request":{"key":"eQ==","watch_id":"7"}} {"create_request":{"key":"eg==","watch_id":"7"}}"#
            + #"{"cancel_request":{"watch_id":"7"}} {"cancel_request":{"watch_id":"99"}} {"create_request":{"key":"Yg==","range_end":"YQ=="}}"#,
        5
    ),
    ("/v3/watch", #"{"create_request":{"key":"Zm9v","start_revision":"5"}}"#, 2),
    ("/v3/watch", #"{"create_request":{"key":"Zm9v","start_revision":"5","prev_kv":true}}"#, 2),
    ("/v3/watch", #"{"create_request":{"key":"AA==","range_end":"AA==","start_revision":"6","filters":["NOPUT"],"prev_kv":true}}"#, 2),
    ("/v3/watch", #"{"create_request":{"key":"YQ==","range_end":"Zg==","start_revision":"6","filters":["NODELETE"]}}"#, 2),
]
