#include "doctor.h"

#include "breakers_file.h"
#include "host_facts.h"
#include "rules.h"
#include "service.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

/* ---- the configuration ---- */

static void note_fault(void *doctor, const char *text)
{
    struct doctor *d = doctor;

    findings_add(&d->report, FINDING_FAIL, "config", "%s", text);
    findings_try(&d->report, "wsrt config check, with the same options");
}

/* Faulty values have been told by then, on stderr. */
static void check_config(struct doctor *d)
{
    size_t before = d->report.count;

    complaints_go_to(note_fault, d);
    if (d->options->faults > 0)
        complain(0, "%d fault%s, told above", d->options->faults,
                 d->options->faults == 1 ? "" : "s");
    if (serve_check(d->options) == 0)
        service_try(d->options);
    if (d->settings->breakers != NULL)
        breakers_file_check(d->settings->breakers);
    complaints_go_to(NULL, NULL);
    if (d->report.count == before)
        findings_add(&d->report, FINDING_OK, "config", "%s",
                     d->options->config == NULL ? "no file" : d->options->config);
}

static void check_host(struct doctor *d)
{
    struct host_facts facts = {.wanted = d->settings->max_connections};

    host_facts_read(&facts);
    host_facts_judge(&facts, &d->report);
}

int run_doctor(struct options *o, char **operands)
{
    static void (*const checks[])(struct doctor * d) = {
        check_config,   check_host,  doctor_ports,   doctor_tls,     doctor_store,
        doctor_origins, doctor_keys, doctor_metrics, doctor_manager,
    };
    const struct doctor_settings *s = o->settings;
    static struct doctor d;

    (void)operands;
    d = (struct doctor){.options = o, .settings = &s->serve};
    for (size_t i = 0; i < COUNT(checks); i++)
        checks[i](&d);
    if (strcmp(s->format, "json") == 0)
        findings_print_json(&d.report);
    else
        findings_print_text(&d.report);
    return findings_count(&d.report, FINDING_FAIL) > 0 ? TOOL_UNMET : TOOL_OK;
}
