extension Markup {
    /// The one style sheet of pages. Colours are custom properties: one set for light, one for dark, paper is light.
    ///
    /// Series differ in lightness as well as in hue, and shades in lightness alone, so that they are told apart without red or
    /// green and on grey paper. Texts have a contrast of 4.5 and more to what they stand on, lines of 3. No child selectors:
    /// XML would want them escaped, and HTML would not.
    static let pageStyle = Markup.style(
        """

        :root{color-scheme:light dark;
        --page:#f4f5f7;--card:#fff;--ink:#1b1f24;--soft:#57606a;--rule:#d8dde3;--grid:#e3e7ec;--accent:#0a5ea8;
        --good:#116329;--good-soft:#e2f4e6;--bad:#a40e26;--bad-soft:#fdeaec;--plain:#0a4f8f;--plain-soft:#e6f0fa;
        --s0:#0b63ad;--s1:#c65102;--s2:#1a7f5a;--s3:#8b3f8f;--s4:#7a6200;--s5:#4d8fc9;--s6:#6b7480;--rest:#8c959f;
        --q0:#eaf1f8;--q1:#d3e3f2;--q2:#b5d1ea;--q3:#8fb9de;--q4:#669fd0;--q5:#3776ae;--q6:#2567a5;--q7:#124c86;--q8:#082f5c;
        --on-low:#10243a;--on-high:#fff;--zero:#f6f7f9;--odd:#c65102}
        @media screen and (prefers-color-scheme:dark){:root{
        --page:#0f1318;--card:#181d24;--ink:#e6eaef;--soft:#a3adb8;--rule:#333c47;--grid:#2a323c;--accent:#7cbcf5;
        --good:#7ee2a0;--good-soft:#12301d;--bad:#ff9aa5;--bad-soft:#3b161c;--plain:#9bcbf7;--plain-soft:#142b42;
        --s0:#5aaef2;--s1:#f5a05a;--s2:#4fd0a0;--s3:#d79adb;--s4:#d8c25a;--s5:#a9d3f7;--s6:#98a3b0;--rest:#75808c;
        --q0:#1b2a3a;--q1:#1f3c58;--q2:#244f78;--q3:#2c6499;--q4:#3472a9;--q5:#5b98cf;--q6:#84b6e2;--q7:#b2d4f0;--q8:#e3f1fc;
        --on-low:#f2f7fc;--on-high:#0b1a29;--zero:#20262e;--odd:#f5a05a}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
        overflow-wrap:anywhere}
        header,main,footer{max-width:74rem;margin:0 auto;padding:0 12px}
        header{padding-top:20px}
        h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px}
        h2{font-size:1.15rem;margin:28px 0 10px}
        h3{font-size:.95rem;line-height:1.35;margin:0}
        p{margin:4px 0}
        bdi,code,.code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;
        font-size:.92em}
        bdi{unicode-bidi:isolate;white-space:pre-wrap}
        .text bdi,dd bdi{font-family:inherit;font-size:inherit}
        .number bdi{font-family:inherit;font-size:inherit;white-space:nowrap}
        .subjects{margin:0;color:var(--soft)}
        .verdict{display:flex;gap:14px;margin:16px 0 12px;padding:14px 16px;border-radius:10px;border:1px solid var(--rule);
        border-left:6px solid var(--edge);background:var(--wash)}
        .verdict h2{margin:0;font-size:1.2rem;color:var(--edge)}
        .verdict div{min-width:0}
        .verdict ul{margin:6px 0 0;padding-left:1.2em}
        .sign{font-size:1.5rem;line-height:1.2;font-weight:700;color:var(--edge)}
        .passed{--edge:var(--good);--wash:var(--good-soft)}
        .failed{--edge:var(--bad);--wash:var(--bad-soft)}
        .neutral{--edge:var(--plain);--wash:var(--plain-soft)}
        .facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,9.4rem),1fr));gap:8px;margin:0}
        .facts div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:8px 10px;min-width:0}
        dt{color:var(--soft);font-size:.8rem}
        dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums}
        .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:12px;margin-bottom:12px}
        .card{margin:0;min-width:0;background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px;
        display:flex;flex-direction:column;gap:8px}
        figcaption p,.card .lead{color:var(--soft);font-size:.87rem}
        .picture{flex:1}
        svg{display:block;width:100%;height:auto;max-width:30rem;margin:0 auto;
        font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace}
        @media (min-width:56rem){
        figure.card:only-child:not(.wide){display:grid;grid-template-columns:minmax(0,1fr) minmax(0,30rem);
        grid-template-rows:auto 1fr;column-gap:24px;align-items:start}
        figure.card:only-child:not(.wide) .picture{grid-column:2;grid-row:1/3}
        figure.card:only-child:not(.wide) figcaption{grid-column:1;grid-row:1}
        figure.card:only-child:not(.wide) .behind{grid-column:1;grid-row:2}
        }
        text{font-size:11px;fill:var(--ink);unicode-bidi:isolate;white-space:pre}
        .label{fill:var(--soft)}
        .strong{fill:var(--ink)}
        .in{font-size:9px;fill:var(--on-low)}
        .in.q5,.in.q6,.in.q7,.in.q8{fill:var(--on-high)}
        .in.zero,.in.notfinite{fill:var(--ink)}
        .axis,.whisker{stroke:var(--soft);stroke-width:1}
        .whisker{stroke:var(--ink);stroke-width:1.2}
        .grid{stroke:var(--grid);stroke-width:1}
        .limit{stroke:var(--bad);stroke-width:1.4;stroke-dasharray:5 3}
        .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 2}
        .part{stroke:var(--card);stroke-width:.7}
        .s0{fill:var(--s0);stroke:var(--s0)}.s1{fill:var(--s1);stroke:var(--s1)}.s2{fill:var(--s2);stroke:var(--s2)}
        .s3{fill:var(--s3);stroke:var(--s3)}.s4{fill:var(--s4);stroke:var(--s4)}.s5{fill:var(--s5);stroke:var(--s5)}
        .s6{fill:var(--s6);stroke:var(--s6)}.rest{fill:var(--rest);stroke:var(--rest)}
        rect{stroke:none!important}
        rect.part{stroke:var(--card)!important}
        .line{fill:none;stroke-width:1.8;stroke-linejoin:round}
        .line.s1,.line.s4{stroke-dasharray:7 3}.line.s2,.line.s5{stroke-dasharray:2 3}.line.s3,.line.s6{stroke-dasharray:8 3 2 3}
        .point{stroke:none}
        rect.q0{fill:var(--q0)}rect.q1{fill:var(--q1)}rect.q2{fill:var(--q2)}rect.q3{fill:var(--q3)}rect.q4{fill:var(--q4)}
        rect.q5{fill:var(--q5)}rect.q6{fill:var(--q6)}rect.q7{fill:var(--q7)}rect.q8{fill:var(--q8)}
        rect.zero{fill:var(--zero);stroke:var(--rule)!important;stroke-width:.6}
        rect.none{fill:none;stroke:var(--grid)!important;stroke-width:.7;stroke-dasharray:2 2}
        rect.notfinite{fill:var(--odd)}
        .omitted{color:var(--soft);font-size:.83rem}
        details{font-size:.87rem}
        summary{cursor:pointer;color:var(--accent);padding:4px 0}
        .scroll{overflow:auto;max-width:100%}
        details .scroll{max-height:24rem;border:1px solid var(--rule);border-radius:6px}
        .table .scroll{max-height:34rem}
        :focus-visible{outline:2px solid var(--accent);outline-offset:2px}
        table{border-collapse:collapse;width:100%;font-size:.87rem;font-variant-numeric:tabular-nums}
        th,td{padding:4px 8px;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule);font-weight:400;
        overflow-wrap:normal}
        thead th{color:var(--soft);font-size:.8rem;white-space:nowrap;vertical-align:bottom;position:sticky;top:0;background:var(--card)}
        th.code,td.code{min-width:9rem;overflow-wrap:anywhere}
        td.text{min-width:7rem;overflow-wrap:anywhere}
        th.number,td.number{text-align:right}
        .lens td{min-width:6.5rem;white-space:nowrap;background:linear-gradient(var(--s0),var(--s0)) no-repeat 0 100%/var(--p,0) 3px}
        .lens bdi{white-space:pre}
        .probability{display:block;color:var(--soft);font-size:.8rem}
        footer{padding:20px 12px 28px;color:var(--soft);font-size:.83rem}
        footer code{color:var(--ink);white-space:pre-wrap}
        @media print{
        body{background:none;font-size:10pt}
        .card,.facts div{break-inside:avoid}
        h2,h3{break-after:avoid}
        .scroll,details .scroll,.table .scroll{overflow:visible;max-height:none}
        thead th{position:static}
        svg{min-width:0!important;max-width:24rem!important}
        .wide svg{max-width:100%!important}
        summary{display:none}
        .card:has(table.lens),.card.table{break-inside:auto}
        tr{break-inside:avoid}
        :root{--page:#fff;--rule:#c4cad1}
        }

        """)
}
