//! Admission reviews: no body makes the reader panic, and the answer to what is read goes to who asked.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_policy::request::{Selection, Stage};
use sigward_server::{
    Moment,
    review::{Answer, parse, render},
};

fuzz_target!(|body: &[u8]| {
    let moment = Moment { unix_seconds: 1_700_000_000, seed: 7 };
    let request = match parse(body, Stage::Mutating, Selection::All, moment) {
        Ok(request) => request,
        Err(error) => return drop(error.to_string()),
    };
    // The objects stay text until someone reads them, and may be none.
    for lazy in [&request.object, &request.old_object, &request.options] {
        drop(lazy.value().map_err(|error| error.to_string()));
    }
    for allowed in [true, false] {
        let message = Some(format!("{}/{}", request.namespace, request.name));
        let answer = Answer { allowed, message: message.clone(), ..Answer::default() };
        let text = render(&request.uid, &answer).expect("plain data");
        let back: serde_json::Value = serde_json::from_slice(&text).expect("our own text");
        assert_eq!(back["response"]["uid"], request.uid.as_str());
        assert_eq!(back["response"]["allowed"], allowed);
        if !allowed {
            assert_eq!(back["response"]["status"]["message"].as_str(), message.as_deref());
        }
    }
});
