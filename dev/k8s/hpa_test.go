package main

import "testing"

func TestAnHPAMustHaveAllThatIsSaid(t *testing.T) {
	behavior := func(window, value int64, selects string) any {
		policy := map[string]any{"type": "Percent", "value": value, "periodSeconds": int64(15)}
		made := map[string]any{"stabilizationWindowSeconds": window, "policies": []any{policy}}
		if selects != "" {
			made["selectPolicy"] = selects
		}
		return map[string]any{"scaleUp": made}
	}
	said := behavior(0, 100, "")
	if where := lacks(behavior(0, 100, "Max"), said, "behavior"); where != "" {
		t.Errorf("a default is no difference: %s", where)
	}
	more := behavior(0, 100, "Max").(map[string]any)
	up := more["scaleUp"].(map[string]any)
	up["policies"] = append(up["policies"].([]any), map[string]any{"type": "Pods"})
	for _, wrong := range []any{nil, behavior(30, 100, "Max"), behavior(0, 50, "Max"), more, map[string]any{"scaleDown": nil}} {
		if lacks(wrong, said, "behavior") == "" {
			t.Errorf("no difference found: %v", wrong)
		}
	}
	if lacks(behavior(0, 100, "Min"), behavior(0, 100, "Max"), "behavior") == "" {
		t.Error("another selectPolicy is not found")
	}
}
