// Command promql reads one PromQL expression per line and answers each with one line: empty, or what is wrong with it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	expressions := parser.NewParser(parser.Options{})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		problem := ""
		if _, err := expressions.ParseExpr(lines.Text()); err != nil {
			problem = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println(problem)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
