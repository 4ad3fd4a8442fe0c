/* Language switch and sortable tables. A classic script: modules and fetch do not work from
   a file share. Pages are complete without it, except for the long tables (tables.js). */
(function () {
  "use strict";

  var LANGUAGE_KEY = "livercohort-language";
  var root = document.documentElement;
  var app = (window.livercohort = { tables: {}, parts: {}, ui: {}, onLanguage: [], state: null });

  function storedLanguage() {
    try {
      return window.localStorage.getItem(LANGUAGE_KEY);
    } catch (refused) {
      return null; // some browsers give file pages no storage; the address then carries it
    }
  }

  function storeLanguage(language) {
    try {
      window.localStorage.setItem(LANGUAGE_KEY, language);
    } catch (refused) {
      return;
    }
  }

  function chosenLanguage() {
    var wanted = new URLSearchParams(window.location.search).get("lang") || storedLanguage();
    if (wanted === "zh" || wanted === "en") return wanted;
    return (navigator.language || "en").toLowerCase().indexOf("zh") === 0 ? "zh" : "en";
  }

  app.language = chosenLanguage();
  root.lang = app.language === "zh" ? "zh-CN" : "en";
  root.classList.add("with-script");
  root.classList.toggle("zh", app.language === "zh");

  /* Data scripts call these: a part of a long table, and what is known of the report. */
  app.takePart = function (table, number, part) { app.parts[table + "/" + number] = part; };
  app.takeState = function (state) { app.state = state; };

  app.say = function (key, values) {
    var text = (app.ui[app.language] || {})[key];
    if (text === undefined) return key;
    return text.replace(/\{(\w+)\}/g, function (place, name) {
      return values && name in values ? String(values[name]) : place;
    });
  };

  /* Our word for a word of the data; a new one stands for itself, without our prefix. */
  app.word = function (key) {
    var said = app.say(key);
    return said === key ? key.slice(key.indexOf(".") + 1) : said;
  };

  /* The code in a form, by the pattern that its field has of the product; null if it is none. */
  app.reviewerOf = function (form) {
    var field = form.elements.reviewer, code = field.value.trim();
    return new RegExp("^(?:" + field.pattern + ")$").test(code) ? code : null;
  };

  app.today = function () {
    var now = new Date();
    return now.getFullYear() + "-" + ("0" + (now.getMonth() + 1)).slice(-2) + "-" +
      ("0" + now.getDate()).slice(-2);
  };

  app.download = function (name, text, type) {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: type }));
    link.download = name;
    document.body.appendChild(link);
    link.click();
    link.remove();
    window.setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  };

  function carryLanguage(link) {
    var parts = link.getAttribute("href").split("#");
    var address = parts[0].split("?");
    var query = new URLSearchParams(address[1] || "");
    query.set("lang", app.language);
    link.setAttribute("href", address[0] + "?" + query + (parts[1] ? "#" + parts[1] : ""));
  }

  app.carryLanguageIn = function (container) {
    container.querySelectorAll("a[data-page]").forEach(carryLanguage);
  };

  function fill(name, act) {
    document.querySelectorAll("[data-state=" + name + "]").forEach(act);
  }

  function namesOf(decision) {
    return app.state.sign_offs.filter(function (one) { return one.decision === decision; })
      .map(function (one) { return one.reviewer + " (" + one.made_on + ")"; }).join(", ");
  }

  function showSigned(place) {
    var accepted = namesOf("accepted"), returned = namesOf("returned");
    place.textContent = returned ? app.say("state_of.returned", { names: returned })
      : accepted ? app.say("state_of.signed", { names: accepted }) : app.say("state_of.unsigned");
    place.className = "signed " + (returned ? "returned" : accepted ? "accepted" : "waiting");
  }

  function listSignOffs(list) {
    list.textContent = "";
    app.state.sign_offs.forEach(function (one) {
      var line = document.createElement("li");
      line.textContent = app.say("state_of.sign_off", {
        reviewer: one.reviewer,
        made_on: one.made_on,
        decision: app.say(one.decision === "accepted" ? "state_of.accepted" : "state_of.sent_back")
      });
      list.appendChild(line);
    });
  }

  /* What is known of the report and stands in no page: its name, its hash, who signed it. */
  function showState() {
    var state = app.state;
    if (!state) return;
    fill("where", function (place) {
      place.textContent = app.say(
        state.release ? "state_of.where" : "state_of.no_release", state);
    });
    fill("run", function (place) { place.textContent = state.run; });
    fill("hash", function (place) { place.textContent = state.report_sha256; });
    fill("signed", showSigned);
    fill("sign_offs", listSignOffs);
    fill("unsigned", function (place) { place.hidden = state.sign_offs.length > 0; });
  }

  function showLanguage(language) {
    app.language = language;
    root.lang = language === "zh" ? "zh-CN" : "en";
    root.classList.toggle("zh", language === "zh");
    document.querySelectorAll("[data-en]").forEach(function (element) {
      element.textContent = element.getAttribute("data-" + language);
    });
    document.querySelectorAll("[data-set-language]").forEach(function (button) {
      button.setAttribute(
        "aria-pressed", String(button.getAttribute("data-set-language") === language));
    });
    app.carryLanguageIn(document);
    showState();
    app.onLanguage.forEach(function (react) { react(); });
  }

  function cellValue(row, column) {
    var cell = row.cells[column];
    return cell.hasAttribute("data-value") ? cell.getAttribute("data-value") : cell.textContent.trim();
  }

  app.compare = function (left, right) {
    var a = Number(left), b = Number(right);
    if (left !== "" && right !== "" && !isNaN(a) && !isNaN(b)) return a - b;
    return String(left).localeCompare(String(right), "en", { numeric: true });
  };

  /* Put a button into a header cell, so that sorting works from the keyboard. */
  app.makeSorter = function (header, sort) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "sorter";
    while (header.firstChild) button.appendChild(header.firstChild);
    header.appendChild(button);
    button.addEventListener("click", function () {
      var descending = header.getAttribute("aria-sort") === "ascending";
      header.closest("table").querySelectorAll("th[aria-sort]").forEach(function (other) {
        other.removeAttribute("aria-sort");
      });
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(descending);
    });
  };

  function makeSortable(table) {
    var body = table.tBodies[0];
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (header, column) {
      if (header.hasAttribute("data-unsorted")) return;
      app.makeSorter(header, function (descending) {
        var rows = Array.prototype.slice.call(body.rows);
        rows.sort(function (a, b) {
          var order = app.compare(cellValue(a, column), cellValue(b, column));
          return descending ? -order : order;
        });
        rows.forEach(function (row) { body.appendChild(row); });
      });
    });
  }

  /* A picture in the page, large; without a script its link opens the file. Escape closes. */
  function enlargePictures() {
    var dialog = document.querySelector("[data-large-picture]");
    if (!dialog) return;
    var shown = dialog.querySelector("[data-large-image]");
    document.querySelectorAll("[data-large]").forEach(function (link) {
      link.addEventListener("click", function (event) {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return; // into a window of its own
        event.preventDefault();
        shown.src = link.href;
        shown.alt = link.querySelector("img").alt;
        dialog.querySelector("[data-large-title]").textContent = shown.alt;
        dialog.showModal();
      });
    });
    dialog.addEventListener("click", function (event) {
      if (event.target === dialog || event.target.closest("[data-large-close]")) dialog.close();
    });
  }

  /* Without the state of the report there is no folder around the page: it was mailed alone. */
  function standAlone() {
    root.classList.add("alone");
    document.querySelectorAll("a[data-page]").forEach(function (link) {
      var words = document.createElement("span");
      words.className = link.className;
      words.append.apply(words, link.childNodes);
      link.replaceWith(words);
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    if (!app.state) standAlone();
    enlargePictures();
    document.querySelectorAll("table.sortable").forEach(makeSortable);
    document.querySelectorAll("[data-set-language]").forEach(function (button) {
      button.addEventListener("click", function () {
        var language = button.getAttribute("data-set-language");
        storeLanguage(language);
        showLanguage(language);
      });
    });
    showLanguage(app.language);
  });
})();
