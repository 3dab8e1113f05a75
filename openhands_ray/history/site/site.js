'use strict';

/* What the pages of the site need of a script: ours are shown and hidden, values of all units read well, the graphs
   follow the colour scheme and show the reference of a ratio, and asv's own controls can be reached by keyboard. */
$(document).ready(function () {
    const PAGES = ['criteria', 'peers'];
    const dark = window.matchMedia('(prefers-color-scheme: dark)');

    /* PAGES. asv hides only the displays that it knows, so ours hide themselves before it shows another one. */
    function display(name) {
        return document.getElementById(name + '-display');
    }

    function hide_ours() {
        for (const name of PAGES) {
            display(name).hidden = true;
        }
    }

    $(window).on('hashchange', hide_ours);
    for (const name of PAGES) {
        $.asv.register_page(name, function () {
            $('#title').text(''); /* It would repeat the item beside it. */
            display(name).hidden = false;
        });
    }

    /* The skip link cannot be followed as it is, since asv takes what comes after # for a page. */
    $('.site-skip').on('click', function (event) {
        event.preventDefault();
        document.getElementById('content').focus();
    });

    /* VALUES: three digits, as values.py writes them. Its space before the unit is left out of times, since asv sorts
       its list of regressions by what it finds there. */
    function three_digits(x) {
        if (x === 0) {
            return '0';
        }
        const rounded = Number(x.toPrecision(3));
        return x.toFixed(Math.min(Math.max(2 - Math.floor(Math.log10(Math.abs(rounded))), 0), 12));
    }

    function scaled(x, units) {
        let unit = units[0];
        for (const each of units) {
            if (Math.abs(x) >= each[2] * 0.9995) {
                unit = each;
            }
        }
        return three_digits(x / unit[2]) + unit[0];
    }

    const BYTES = [[' B', 0, 1], [' kB', 0, 1e3], [' MB', 0, 1e6], [' GB', 0, 1e9], [' TB', 0, 1e12]];

    $.asv.pretty_unit = function (x, unit) {
        if (unit === 'seconds') {
            return x === 0 ? '0s' : scaled(x, $.asv.time_units);
        }
        if (unit === 'bytes') {
            return scaled(x, BYTES);
        }
        return three_digits(x) + (unit && unit !== 'unit' && unit !== 'ratio' ? ' ' + unit : '');
    };

    /* GRAPHS, through a plugin of flot. */
    function colour(name) {
        return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    }

    function shown_unit() {
        const name = $.asv.parse_hash_string(window.location.hash).location[0];
        const benchmark = ($.asv.main_json.benchmarks || {})[name];
        return benchmark ? benchmark.unit : null;
    }

    function is_main(plot) {
        return plot.getPlaceholder().attr('id') === 'main-graph';
    }

    function colour_axes(options) {
        if (!dark.matches) {
            return;
        }
        options.grid.color = options.grid.borderColor = colour('--faint');
        options.legend.backgroundColor = colour('--raised');
        options.series.points.fillColor = colour('--ground');
        for (const axis of options.xaxes.concat(options.yaxes)) {
            axis.color = axis.tickColor = colour('--line');
        }
    }

    function fit_axis(options, unit) {
        const axis = options.yaxes[0];
        const zoomed = document.getElementById('zoom-y-axis').classList.contains('active');
        if (axis.transform) {
            if (unit === 'ratio') {
                axis.min = Math.min(axis.min, 1);
                axis.max = Math.max(axis.max, 1);
            }
        }
        else if (!zoomed && unit !== 'seconds' && unit !== 'bytes' && axis.min >= 0) {
            /* asv draws these from the least to the largest value, so that noise looks like a cliff. */
            axis.max = Math.max(axis.max * 1.3, unit === 'ratio' ? 1.3 : 0) || 1;
            axis.min = 0;
        }
    }

    /* asv takes the unit of the least value, and writes what is large in it with an exponent. */
    function label_axis(axis, unit) {
        if (axis.transform) {
            return;
        }
        const units = {seconds: $.asv.time_units, bytes: $.asv.mem_units}[unit] || [['', axis.axisLabel, 1]];
        const chosen = units.filter((each) => each[2] <= axis.max / 1.3).pop() || units[0];
        axis.axisLabel = chosen[1];
        axis.tickFormatter = (value) => String(Number((value / chosen[2]).toPrecision(6)));
    }

    function label_reference(plot, context) {
        const at = plot.pointOffset({x: plot.getAxes().xaxis.min, y: 1});
        const right = plot.getPlotOffset().left + plot.width();
        context.save();
        context.font = '12px sans-serif';
        context.textAlign = 'right';
        context.fillStyle = colour('--bad');
        const below = plot.getPlotOffset().top + plot.height() - at.top > 20;
        context.fillText('1.0: as long as the reference', right - 6, at.top + (below ? 15 : -5));
        context.restore();
    }

    $.plot.plugins.unshift({
        name: 'site',
        version: '1.0',
        options: {},
        init: function (plot) {
            plot.hooks.processOptions.push(function (plot, options) {
                colour_axes(options);
                if (!is_main(plot)) {
                    return;
                }
                /* asv draws it below the picture on screens of more pixels. */
                options.xaxes[0].axisLabelUseCanvas = false;
                const unit = shown_unit();
                fit_axis(options, unit);
                label_axis(options.yaxes[0], unit);
                if (unit === 'ratio') {
                    const line = {color: colour('--bad'), lineWidth: 2, yaxis: {from: 1, to: 1}};
                    options.grid.markings = (options.grid.markings || []).concat([line]);
                }
            });
            plot.hooks.draw.push(function (plot, context) {
                if (is_main(plot) && shown_unit() === 'ratio') {
                    label_reference(plot, context);
                }
                /* In which the labels of the axes are then written. */
                context.fillStyle = colour('--faint');
            });
        }
    });

    dark.addEventListener('change', function () {
        $(window).trigger('resize');
    });

    /* KEYBOARD AND SCREEN READERS. */
    const BUTTONS = 'a[role="button"]:not([href]), label.nav-header';

    function set(element, name, value) {
        if (element.getAttribute(name) !== value) {
            element.setAttribute(name, value);
        }
    }

    function describe() {
        for (const button of document.querySelectorAll(BUTTONS)) {
            set(button, 'tabindex', '0');
            if (button.matches('label')) {
                set(button, 'role', 'button');
                set(button, 'aria-expanded', String(!button.querySelector('.caret-right')));
            }
            else {
                set(button, 'aria-pressed', String(button.classList.contains('active')));
            }
        }
        for (const heading of document.querySelectorAll('th[data-sort]')) {
            set(heading, 'tabindex', '0');
            set(heading, 'scope', 'col');
            set(heading, 'aria-sort', heading.classList.contains('asc') ? 'ascending'
                : heading.classList.contains('desc') ? 'descending' : 'none');
        }
        for (const heading of document.querySelectorAll('th:empty')) {
            set(heading, 'aria-label', 'Action');
        }
        for (const plot of document.querySelectorAll('.benchmark-plot')) {
            set(plot, 'aria-hidden', 'true');
        }
        for (const item of document.querySelectorAll('#nav li > a')) {
            if (item.parentElement.classList.contains('active')) {
                set(item, 'aria-current', 'page');
            }
            else {
                item.removeAttribute('aria-current');
            }
        }
        const title = $('#title').text().trim() || $('#nav li.active').text().trim();
        set(document.getElementById('main-graph'), 'role', 'img');
        set(document.getElementById('main-graph'), 'aria-label',
            'Graph of ' + title + ' over the commits; the newest values are in the benchmark list');
        set(document.getElementById('overview'), 'aria-hidden', 'true');
        set(document.getElementById('range'), 'aria-label', 'Commits in the graph');
        const project = $('#project-name').text().trim();
        if (document.title !== title + ' · ' + project) {
            document.title = title + ' · ' + project;
        }
    }

    $(document).on('keydown', BUTTONS + ', th[data-sort]', function (event) {
        if (event.key === 'Enter' || event.key === ' ') {
            event.preventDefault();
            event.currentTarget.click();
        }
    });

    let pending = false;
    new MutationObserver(function () {
        if (!pending) {
            pending = true;
            requestAnimationFrame(function () {
                pending = false;
                describe();
            });
        }
    }).observe(document.body, {childList: true, subtree: true, attributes: true, attributeFilter: ['class']});
    describe();
});
