// Evaluates alert rules with Prometheus' own engine: reads a question as JSON, prints the alerts that fire.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// question: the series in the notation of promqltest (`load 1m`, then one line a series), a rules file, and for how many
// minutes the rules are evaluated, once a minute.
type question struct {
	Load    string
	Rules   string
	Minutes int
}

type alert struct {
	Alert       string            `json:"alert"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// failure ends the program where a test would fail.
type failure struct{}

func (failure) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func (failure) FailNow() { os.Exit(1) }

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		failure{}.Errorf("the question: %v", err)
	}
	storage := promqltest.LoadedStorage(failure{}, asked.Load)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1000000, Timeout: time.Minute})
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: &url.URL{},
		QueryFunc:   rules.EngineQueryFunc(engine, storage),
		NotifyFunc:  func(context.Context, string, ...*rules.Alert) {},
		Context:     context.Background(),
		Appendable:  storage,
		Queryable:   storage,
		Logger:      slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, asked.Rules)
	for _, err := range errs {
		failure{}.Errorf("the rules: %v", err)
	}
	evaluate(groups, asked.Minutes)
	if err := json.NewEncoder(os.Stdout).Encode(firing(groups)); err != nil {
		failure{}.Errorf("the answer: %v", err)
	}
}

// evaluate goes through the groups once a minute, those that record before those that alert.
func evaluate(groups map[string]*rules.Group, minutes int) {
	for minute := range minutes + 1 {
		now := time.Unix(0, 0).Add(time.Duration(minute) * time.Minute)
		for _, records := range []bool{true, false} {
			for _, group := range groups {
				if _, alerts := group.Rules()[0].(*rules.AlertingRule); alerts != records {
					group.Eval(context.Background(), now)
				}
			}
		}
	}
}

func firing(groups map[string]*rules.Group) []alert {
	found := []alert{}
	for _, group := range groups {
		for _, rule := range group.AlertingRules() {
			for _, active := range rule.ActiveAlerts() {
				if active.State == rules.StateFiring {
					found = append(found, alert{rule.Name(), plain(active.Labels), plain(active.Annotations)})
				}
			}
			if rule.Health() == rules.HealthBad {
				failure{}.Errorf("%s: %v", rule.Name(), rule.LastError())
			}
		}
	}
	return found
}

func plain(set labels.Labels) map[string]string {
	found := set.Map()
	delete(found, model.AlertNameLabel)
	return found
}
