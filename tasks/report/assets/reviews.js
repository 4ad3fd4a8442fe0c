/* What a reviewer sends back: one JSON file, downloaded, with a checksum of itself. A page
   opened from a file share has no other way out, and needs none. */
(function () {
  "use strict";

  var app = window.livercohort;
  var FORMAT = "livercohort-review/1";
  var REVIEWER_KEY = "livercohort-reviewer";

  /* Keys sorted, no spaces: the same text that the importing side makes of the same content. */
  function canonical(value) {
    if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
    if (value && typeof value === "object") {
      return "{" + Object.keys(value).sort().map(function (key) {
        return JSON.stringify(key) + ":" + canonical(value[key]);
      }).join(",") + "}";
    }
    return JSON.stringify(value);
  }

  function rotate(word, by) { return (word >>> by) | (word << (32 - by)); }

  function isPrime(number) {
    for (var factor = 2; factor * factor <= number; factor += 1) {
      if (number % factor === 0) return false;
    }
    return true;
  }

  /* The constants of SHA-256 (FIPS 180-4): fractional parts of roots of the first primes. */
  function constants() {
    var start = [], rounds = [];
    for (var number = 2; rounds.length < 64; number += 1) {
      if (!isPrime(number)) continue;
      if (start.length < 8) start.push((Math.pow(number, 1 / 2) * 4294967296) | 0);
      rounds.push((Math.pow(number, 1 / 3) * 4294967296) | 0);
    }
    return { start: start, rounds: rounds };
  }

  /* crypto.subtle is missing from file pages in some browsers, so SHA-256 stands here. */
  function sha256(text) {
    var bytes = new TextEncoder().encode(text), known = constants();
    var length = ((bytes.length + 8) >> 6) + 1, words = new Int32Array(length * 16);
    for (var at = 0; at < bytes.length; at += 1) words[at >> 2] |= bytes[at] << (24 - (at % 4) * 8);
    words[bytes.length >> 2] |= 0x80 << (24 - (bytes.length % 4) * 8);
    words[words.length - 1] = bytes.length * 8;
    var hash = known.start.slice();
    for (var block = 0; block < words.length; block += 16) {
      mix(hash, words.subarray(block, block + 16), known.rounds);
    }
    return hash.map(function (word) {
      return ("0000000" + (word >>> 0).toString(16)).slice(-8);
    }).join("");
  }

  function mix(hash, block, rounds) {
    var w = new Int32Array(64), v = hash.slice(), i;
    for (i = 0; i < 64; i += 1) {
      if (i < 16) { w[i] = block[i]; continue; }
      var a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ (a >>> 3)) + w[i - 7] +
        (rotate(b, 17) ^ rotate(b, 19) ^ (b >>> 10));
    }
    for (i = 0; i < 64; i += 1) {
      var e = v[4], first = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
        ((e & v[5]) ^ (~e & v[6])) + rounds[i] + w[i];
      var s = v[0], second = (rotate(s, 2) ^ rotate(s, 13) ^ rotate(s, 22)) +
        ((s & v[1]) ^ (s & v[2]) ^ (v[1] & v[2]));
      v = [(first + second) | 0, v[0], v[1], v[2], (v[3] + first) | 0, v[4], v[5], v[6]];
    }
    for (i = 0; i < 8; i += 1) hash[i] = (hash[i] + v[i]) | 0;
  }

  app.saveReview = function (kind, reviewer, content, name) {
    var review = {
      format: FORMAT,
      kind: kind,
      run: app.state.run,
      report_sha256: app.state.report_sha256,
      reviewer: reviewer,
      made_on: app.today(),
      content: content
    };
    review.sha256 = sha256(canonical(review));
    app.download(name + ".json", JSON.stringify(review, null, 1) + "\n", "application/json");
    keep(reviewer);
  };

  function keep(reviewer) {
    try {
      window.sessionStorage.setItem(REVIEWER_KEY, reviewer);
    } catch (refused) {
      return; // some browsers give file pages no storage; the code is typed again
    }
  }

  function kept() {
    try {
      return window.sessionStorage.getItem(REVIEWER_KEY) || "";
    } catch (refused) {
      return "";
    }
  }

  function listenToSignOff(form) {
    var told = form.querySelector("[data-told]");
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      var reviewer = app.reviewerOf(form), decision = form.elements.decision.value;
      if (!decision) { told.textContent = app.say("sign.choose"); return; }
      if (!reviewer) { told.textContent = app.say("sign.reviewer_bad"); return; }
      app.saveReview("sign_off", reviewer,
        { decision: decision, comment: form.elements.comment.value },
        "review_" + app.state.run + "_" + reviewer);
      told.textContent = app.say("sign.saved");
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("[data-reviewer]").forEach(function (field) { field.value = kept(); });
    document.querySelectorAll("form[data-signoff]").forEach(listenToSignOff);
  });
})();
