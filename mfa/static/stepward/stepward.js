// What the pages do better with a script. Each of them works without.
"use strict";

for (const element of document.querySelectorAll(".script-only")) element.hidden = false;

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const codes = [...document.querySelectorAll(`#${button.dataset.copies} code`)].map((code) => code.textContent);
    await navigator.clipboard.writeText(codes.join("\n"));
    button.textContent = button.dataset.done;
  });
}

for (const button of document.querySelectorAll("[data-prints]")) {
  button.addEventListener("click", () => window.print());
}

// A page that waits for a link looks every two seconds and sends its form once there is something to say.
for (const form of document.querySelectorAll("form[data-waits-for]")) {
  const look = async () => {
    try {
      const answer = await fetch(form.dataset.waitsFor, { cache: "no-store" });
      if (answer.ok && (await answer.json()).decided) {
        form.submit();
        return;
      }
    } catch {
      // The network is away for a moment; the next look may find it again.
    }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}

// A form is sent once: a second press would submit a code that the first has just spent.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form")) delete form.dataset.sent;
});
